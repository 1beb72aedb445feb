// Numbers and times as people read them.

export const NOTHING = "–";
const LOCALE = "en-GB";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const decimal = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 4 });
const percent = new Intl.NumberFormat(LOCALE, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

// How many digits of a currency's amount are its minor unit's, as the api says: the browser shows some currencies
// without those that they have (CLDR is not ISO 4217).
let decimals = {};
export const knowDecimals = (said) => (decimals = said);
export const minorDigits = (currency) => decimals[currency] ?? 2;

// Minor units may be more than a float holds exactly once they are divided: the text is made of their digits.
export function money(minor, currency) {
  const digits = minorDigits(currency);
  const text = String(Math.abs(minor)).padStart(digits + 1, "0");
  const units = whole.format(BigInt(text.slice(0, text.length - digits)));
  const rest = digits ? `.${text.slice(text.length - digits)}` : "";
  return `${minor < 0 ? "−" : ""}${units}${rest} ${currency}`;
}

export function age(seconds) {
  if (seconds < 60) return `${seconds < 10 ? Math.max(0, seconds).toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function measure(value, unit, currency) {
  if (value === null || value === undefined) return NOTHING;
  if (unit === "minor") return currency ? money(value, currency) : whole.format(value);
  if (unit === "ratio") return value > 0 && value < 0.0005 ? `< ${percent.format(0.001)}` : percent.format(value);
  if (unit === "seconds") return age(value);
  return unit === "count" ? whole.format(value) : decimal.format(value);
}

export const share = (part, all) => (all ? percent.format(part / all) : NOTHING);
export const count = (value) => (value === null || value === undefined ? NOTHING : whole.format(value));

export function time(text, tz, style = { hour: "2-digit", minute: "2-digit", second: "2-digit" }) {
  return text ? format(tz, style).format(new Date(text)) : NOTHING;
}

export const day = (text, tz) => time(text, tz, { weekday: "short", day: "numeric", month: "short" });

export const moment = (text, tz) =>
  time(text, tz, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

const made = new Map();

// A zone that the browser does not know is the api's to refuse; until then the clock is UTC's.
function format(tz, style) {
  const key = tz + JSON.stringify(style);
  if (!made.has(key)) {
    let zone = tz;
    try {
      new Intl.DateTimeFormat(LOCALE, { timeZone: tz });
    } catch {
      zone = "UTC";
    }
    made.set(key, new Intl.DateTimeFormat(LOCALE, { ...style, timeZone: zone }));
  }
  return made.get(key);
}

// `gmv_minor` as words: the unit is told by the number.
export function words(name) {
  const said = name.replace(/_(minor|seconds)(?=_|$)/, "").replaceAll("_", " ");
  const capital = said.charAt(0).toUpperCase() + said.slice(1);
  return capital.replace(/\b(gmv|idv|bg|ctr|srm|cuped)\b/gi, (known) => known.toUpperCase());
}
