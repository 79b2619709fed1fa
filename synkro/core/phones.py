"""Phones: the key that ties a dialog to a deal.

In: whatever people and vendors put into a phone field (several numbers in one value, extensions, WhatsApp
ids, 8 for +7). Out: E.164 such as ``+77000000001``. A wrong match shows one client's dialog under another's
deal, so what is not clearly a phone is None.

Checked by length and shape (``is_possible_number``), not by ``is_valid_number``: the numbering plan shipped
with the library lags behind new prefixes, and demonstrations use numbers nobody owns (``+7 700 000 00 01``).
Only a number of another country written without its plus has to be valid: there the shape alone would turn
order numbers and user ids into phones.
"""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult

#: countries of the plan +7, where 8 is the trunk prefix
_SEVEN = ("KZ", "RU")
#: first digits in use after +7: 3, 4, 8, 9 Russia; 6, 7 Kazakhstan
_SEVEN_NATIONAL = re.compile(r"[346789]\d{9}")
#: longer bare digits are ids: WhatsApp's LIDs have 14 or 15, and of those one in 60 is valid somewhere
_LONGEST_BARE = 13

#: 77000000001@c.us, and with a device number 77000000001:12@s.whatsapp.net
_WHATSAPP = re.compile(r"\+?(\d{7,15})(?::\d+)?@(?:c\.us|s\.whatsapp\.net)", re.IGNORECASE)
#: e-mails, @names and other ids (…@g.us is a group, …@lid hides the phone): their digits are not a phone
_ADDRESS = re.compile(r"\S*@\S*")
_EXTENSION = re.compile(r"(?:доб|вн(?:утр)?|ext(?:ension)?|[xх#])\s*[.:]?\s*\d{1,6}\b", re.IGNORECASE)
_NUMBER = re.compile(r"\+?\s*\(?\d[\d\s().‐‑‒–—−-]*\d")

# The mask of a phone inside other words. Postgres masks for the Data API by the same expression (migration 26, a test holds
# them equal): hence the classes by number, which mean the same in Python and in every locale of a database.
_DIGIT = r"0-9\u0660-\u0669\u06F0-\u06F9\u0966-\u096F\uFF10-\uFF19"
_WORD = _DIGIT + r"A-Za-z_\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u024F\u0400-\u0481\u048A-\u052F"
_GAP = r"[ \t\n\v\f\r\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000().\u2011\u2013-]{0,2}"
IN_TEXT = (
    rf"(?<![{_WORD}/#=-])(?![0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})\+?[{_DIGIT}](?:{_GAP}[{_DIGIT}]){{5,10}}"
    + rf"{_GAP}([{_DIGIT}])" * 4
    + rf"(?![{_WORD}/-])"
)
NO_DIGIT = f"[^{_DIGIT}]"
_IN_TEXT, _NO_DIGIT = re.compile(IN_TEXT), re.compile(NO_DIGIT)


def extract(raw: object, region: str = "KZ") -> list[str]:
    """Every phone in the value, in order, without repeats. ``region`` reads numbers without country code."""
    if raw is None or isinstance(raw, bool):
        return []
    text = unicodedata.normalize("NFKC", str(raw))
    # digits of other scripts pass \d; numbers copied from a phone book carry invisible direction marks
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text if unicodedata.category(c) != "Cf")
    # a column of numbers read as floats by a spreadsheet: 77000000001.0
    text = re.sub(r"^(\d{10,13})\.0$", r"\1", text)
    found: list[str | None] = []
    text = _WHATSAPP.sub(lambda match: f" ;+{match[1]}; ", text)
    text = _EXTENSION.sub(";", _ADDRESS.sub(";", text))
    for match in _NUMBER.finditer(text.replace("+", ";+")):
        found += _split(match[0], region)
    return list(dict.fromkeys(phone for phone in found if phone))


def normalise(raw: object, region: str = "KZ") -> str | None:
    """The first phone in the value, or None."""
    return next(iter(extract(raw, region)), None)


def mask(e164: str | None) -> str:
    """``•••• 0001``: what may be shown and logged. Too short to hide anything: nothing is shown."""
    digits = _NO_DIGIT.sub("", e164 or "")
    return f"•••• {digits[-4:]}" if len(digits) >= 8 else "••••"


def mask_in(text: str) -> str:
    """The text with every phone in it cut to its last four digits: contacts are often named by their number."""
    return _IN_TEXT.sub(r"•••• \1\2\3\4", text)


def person(name: str | None, e164: str | None, nameless: str = "Клиент без имени") -> str:
    """A client as they may be shown: the name, or the masked phone, or the given words."""
    return mask_in((name or "").strip()) or (mask(e164) if e164 else nameless)


def _split(run: str, region: str) -> list[str | None]:
    """Phones of a run of digits and separators: one, or several that only spaces keep apart."""
    whole = _one(run, region)
    if whole:
        return [whole]
    found = _cut(run.split(), region, 7)
    # something is left over, so a number may have been cut out of its middle ("8 8 777 …" holds ten digits
    # that look like a Russian number): then only numbers with a country code or an 8 count
    return found if all(found) else _cut(run.split(), region, 11)


def _cut(groups: list[str], region: str, fewest_digits: int) -> list[str | None]:
    found: list[str | None] = []
    while groups:
        # the longest first: 996 555 12 34 56 must not be cut to the ten digits of a Russian number
        for size in range(len(groups), 0, -1):
            piece = " ".join(groups[:size])
            phone = _one(piece, region) if len(re.findall(r"\d", piece)) >= fewest_digits else None
            if phone:
                break
        found.append(phone)
        groups = groups[size:]
    return found


def _one(run: str, region: str) -> str | None:
    digits = re.sub(r"\D", "", run)
    if run.lstrip().startswith("+"):
        # "+8 777 …" is a slip of the pen for 8 777 …, unless it is a number of Asia
        return _possible(f"+{digits}") or (_seven(digits, region) if len(digits) == 11 else None)
    if digits.startswith("00"):
        return _possible(f"+{digits[2:]}")
    if len(digits) > _LONGEST_BARE:
        return None
    return _seven(digits, region) or _national(digits, region) or _valid(f"+{digits}")


def _seven(digits: str, region: str) -> str | None:
    """11 digits from 7 or 8, or the 10 after them."""
    if len(digits) == 11 and (digits[0] == "7" or (digits[0] == "8" and region in _SEVEN)):
        return f"+7{digits[1:]}" if _SEVEN_NATIONAL.fullmatch(digits[1:]) else None
    if len(digits) != 10 or region not in _SEVEN:
        return None
    # mobiles by their shape; the rest has to be valid, or 31.12.2026 10:45 is a phone in Russia
    return f"+7{digits}" if digits[0] in "79" else _valid(f"+7{digits}")


def _national(digits: str, region: str) -> str | None:
    """A number without country code in a country outside +7."""
    if region in _SEVEN or len(digits) < 7:
        return None
    number = _parse(digits, region)
    return _format(number) if number and phonenumbers.is_valid_number_for_region(number, region) else None


def _possible(international: str) -> str | None:
    number = _parse(international, None)
    if number is None:
        return None
    if number.country_code == 7 and not _SEVEN_NATIONAL.fullmatch(str(number.national_number)):
        return None
    # IS_POSSIBLE_LOCAL_ONLY would pass a number without its area code
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return _format(number) if possible else None


def _valid(international: str) -> str | None:
    number = _parse(international, None)
    return _format(number) if number and phonenumbers.is_valid_number(number) else None


def _parse(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _format(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
