/** RFC 3339. */
final class Instants {
    static final long WRONG = Long.MIN_VALUE;
    private static final long FIRST = -62_135_596_800_000_000L;
    private static final long LAST = 253_402_300_799_999_999L;
    private static final int[] DAYS = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    private Instants() { }

    /** Microseconds since 1970 UTC, rounded down; {@link #WRONG} for what is none. */
    static long micros(String text) {
        int length = text.length();
        if (length < 20 || text.charAt(4) != '-' || text.charAt(7) != '-' || (text.charAt(10) | 0x20) != 't'
            || text.charAt(13) != ':' || text.charAt(16) != ':') {
            return WRONG;
        }
        int year = number(text, 0, 4);
        int month = number(text, 5, 2);
        int day = number(text, 8, 2);
        int hour = number(text, 11, 2);
        int minute = number(text, 14, 2);
        int second = number(text, 17, 2);
        if (year < 1 || month < 1 || month > 12 || day < 1 || day > days(year, month) || hour < 0 || hour > 23
            || minute < 0 || minute > 59 || second < 0 || second > 59) {
            return WRONG;
        }
        int at = 19;
        int micros = 0;
        if (text.charAt(at) == '.') {
            int scale = 100_000;
            int from = ++at;
            while (at < length && isDigit(text.charAt(at))) {
                micros += scale * (text.charAt(at++) - '0');
                scale /= 10;
            }
            if (at == from) {
                return WRONG;
            }
        }
        long offset = offset(text, at);
        if (offset == WRONG) {
            return WRONG;
        }
        long seconds = epochDay(year, month, day) * 86_400L + hour * 3_600L + minute * 60L + second - offset * 60;
        long result = seconds * 1_000_000 + micros;
        return result < FIRST || result > LAST ? WRONG : result;
    }

    private static long offset(String text, int at) {
        int left = text.length() - at;
        if (left == 1 && (text.charAt(at) | 0x20) == 'z') {
            return 0;
        }
        if (left != 6 || text.charAt(at + 3) != ':' || text.charAt(at) != '+' && text.charAt(at) != '-') {
            return WRONG;
        }
        int hours = number(text, at + 1, 2);
        int minutes = number(text, at + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
            return WRONG;
        }
        return text.charAt(at) == '+' ? hours * 60L + minutes : -(hours * 60L + minutes);
    }

    private static int number(String text, int from, int digits) {
        int number = 0;
        for (int at = from; at < from + digits; at++) {
            if (!isDigit(text.charAt(at))) {
                return -1;
            }
            number = number * 10 + text.charAt(at) - '0';
        }
        return number;
    }

    private static boolean isDigit(char letter) {
        return letter >= '0' && letter <= '9';
    }

    private static int days(int year, int month) {
        boolean leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return month == 2 && leap ? 29 : DAYS[month - 1];
    }

    private static long epochDay(int year, int month, int day) {
        int shifted = month > 2 ? year : year - 1;
        long era = Math.floorDiv(shifted, 400);
        long yearOfEra = shifted - era * 400;
        long dayOfYear = (153L * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
        long dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
        return era * 146_097 + dayOfEra - 719_468;
    }
}
