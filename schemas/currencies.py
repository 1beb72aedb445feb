"""Minor units of currencies: how many decimals an amount has (ISO 4217).

Libraries that write numbers for people follow CLDR, which shows some currencies without the decimals that
their amounts have (HUF, IDR, COP): none of them is asked.
"""

from __future__ import annotations

USUAL = 2
"""Of every currency that is not known to have others."""
_CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DECIMALS = {code: decimals for decimals, codes in _CURRENCIES.items() for code in codes.split()}
"""The currencies whose minor unit is not a hundredth."""


def decimals_of(currency: str | None) -> int:
    """How many decimals an amount of this currency has; two where it is not known to have others."""
    return DECIMALS.get(currency or "", USUAL)
