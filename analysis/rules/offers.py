"""Offers: our message that names a sum as a price, or brings a file that holds one.

A sum is a number with a currency or a thousand beside it, or a large one beside words of price; phones, years, sizes, room and
order numbers are none. What was paid, and what somebody else asks, is no offer of ours.
"""

from __future__ import annotations

import re

_NUMBER = r"(?<![\w.,/+#№:-])(?:\d{1,3}(?:[ \u00a0\u202f.]\d{3})+|\d{1,7})(?:[.,]\d{1,2})?"
_MONEY = r"(?:тыс\w{0,6}|т\.?\s?(?:тг|р)\b|тг\b|тенге|теңге|₸|руб\w{0,4}|₽|р\b|к\b|млн|мың\w{0,3}|миллион\w{0,3}|kzt|usd|\$|€)"
_NO_UNIT = r"(?![\d\w/-]|[.,:]\d|[ \u00a0\u202f]?\d)(?!\s?(?:мм|см|м\b|шт|кг|г\b|км|л\b|год|м2|штук|человек|рабоч|символ|экз|страниц))"
#: a number that is money by itself: with a currency, or by thousands with a space
_SUM = re.compile(
    rf"{_NUMBER}\s?{_MONEY}|\$\s?\d|(?<![\w.,/+#№:()-])(?<!\d[ \u00a0\u202f])\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}})+{_NO_UNIT}"
)
_LARGE = re.compile(rf"(?<![\w.,/+#№:()-])[1-9]\d{{2,6}}{_NO_UNIT}")
_PRICE = re.compile(
    r"\b(?:цен[аыуе]|стоимост\w{1,3}|сто(?:ит|ят|ить)|выход(?:ит|ят)|вый?дет|обойд[её]тся|итого|сумм[аыу]|получается|посчитал\w{0,2}|расч[ие]т\w{0,3}|смет[аыу]|предоплат\w{1,3}|аванс\w{0,2}|к оплате|вместо|прайс\w{0,2}|бағасы|құны|барлығы)"
)
_ASKED = re.compile(
    r"\b(?:сколько|скок\w?|скольк\w{1,2}|почем|цен[аыуе]\w?|стоимост\w{1,3}|стоит|прайс\w{0,2}|расценк\w{1,2}|қанша\w{0,4}|канша\w{0,4}|баға\w{0,4}|по деньгам|по цене|расч[её]т\w{0,2}|посчита\w{2,5})"
)
#: paid already, of others, of the client's own purse
_NOT_AN_OFFER = re.compile(
    r"\b(?:получил[аи]?|получен[ао]?|поступил[аио]?|пришл[аио]|зачислен[ао]?|оплатил[аи]?|оплачен[ао]?|внес(?:ли|ла|ен[ао])?|верн(?:ул[аи]?|ем|у)|возврат\w{0,3}|поступлени[ея]|остаток|долг\w{0,2}|задолженност\w{1,3}|штраф\w{0,3})\b"
    r"|\bу (?:других|конкурент\w{0,3})\b|\bваш бюджет\b|\bкакой\b.{0,15}\bбюджет\b|\bзарплат"
)
_FILE = re.compile(
    r"(?<![а-яa-z])(?:кп|ком(?:мерческое)?[ _.-]?пред(?:ложени[ея])?|коммерческ\w{2,3}|расч[её]т\w{0,2}|просч[её]т\w{0,2}|сч[её]т(?:[аеу]|ом)?(?:[ _-]?(?:на оплату|фактур\w{1,2}))?|смет[аыу]|прайс\w{0,2}|price|invoice|offer|quote|estimate)(?![а-яa-z])",
    re.I,
)


def asks_price(text: str) -> bool:
    """The client's folded text asks what something costs: then a bare number of ours is a price."""
    return _ASKED.search(text) is not None


def names_sum(text: str, is_price_asked: bool = False) -> bool:
    """The folded text of ours names a sum as a price."""
    if not any(char.isdigit() for char in text) or _NOT_AN_OFFER.search(text):
        return False
    if _SUM.search(text):
        return True
    return (is_price_asked or _PRICE.search(text) is not None) and _LARGE.search(text) is not None


def is_offer_file(file_name: str, caption: str) -> bool:
    """A file called, or captioned, as a proposal, a calculation, a bill, an estimate or a price list."""
    return _FILE.search(file_name.replace("_", " ")) is not None or _FILE.search(caption) is not None
