"""What a state or a bank gave a person: accounts, papers, car plates, the day of birth."""

from __future__ import annotations

import re

from analysis.llm.masking import numerals

#: a Kazakh account: twenty characters, written together or in groups of up to four (ISO 13616)
ACCOUNT = re.compile(r"(?<![A-Za-zА-Яа-я0-9])[KКkк][ZЗzз][ -]?\d{2}(?:[ -]?[0-9A-Za-zА-Я]){12,16}(?![0-9A-Za-z])")
#: of another country; in capitals, or any word with a number in it would be one
FOREIGN_ACCOUNT = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Z])")
ACCOUNT_LENGTH = 20

_PAPER = (
    r"паспорт\w{0,3}|pasport\w{0,2}|удос\w{0,16}|уд\.?\s?л\w{0,4}\.?|уд\.|уд личн\w{1,4}|udost\w{0,12}|ud\.?\s?l\w{0,6}|(?:жеке )?ку[әа]л[іи][кг]\w{0,6}|kualik\w{0,4}|полис\w{0,3}|id[- ]?card|айди|прав[ао]\w{0,3}|в/у|водительск\w{2,4}"
    r"|тех\.?\s?паспорт\w{0,3}|птс|стс|снилс|свид\w{0,12}|внж|рвп|загран\w{0,10}|военник\w{0,2}|военн\w{2,3} билет\w{0,2}|құжат\w{0,6}|номер документа|серия"
)
#: the number stands within a few words of the paper's name; letters lead some, «№» stands inside others
PAPER = re.compile(
    rf"\b(?:{_PAPER})(?![а-яё])[^\d\n]{{0,28}}?(?P<number>(?<![A-Za-zА-Яа-я0-9])(?:[IVX]{{1,5}}-)?[A-ZА-Я]{{0,3}} ?№? ?\d[\d №-]{{3,20}}\d(?!\d)(?:[ ,]{{1,2}}(?:номер|нөмірі|№|n)[ :№]{{0,3}}\d{{4,9}}(?!\d))?)",
    re.I,
)
#: dictated
PAPER_SPOKEN = re.compile(
    rf"\b(?:серия|номер)\W{{1,3}}(?P<number>{numerals.WORD}(?:\W{{1,3}}{numerals.WORD}){{2,12}})(?![а-яё])", re.I
)
SNILS = re.compile(r"(?<!\d)\d{3}-\d{3}-\d{3}[ -]\d{2}(?!\d)")
#: seventeen characters without I, O and Q (ISO 3779), letters and digits both
VIN = re.compile(r"(?<![A-Z0-9])(?=[A-Z]{0,16}\d)(?=\d{0,16}[A-Z])[A-HJ-NPR-Z0-9]{17}(?![A-Z0-9])", re.I)
_PLATE_LETTER = "[АВЕКМНОРСТУХABEKMHOPCTYX]"
PLATE = re.compile(
    rf"(?<!\w)(?:{_PLATE_LETTER} ?\d{{3}} ?{_PLATE_LETTER}{{2}} ?\d{{2,3}}|\d{{3}} ?(?!kv|uy)[A-Z]{{2,3}} ?(?:0[1-9]|1\d|20)|[A-Z] ?\d{{3}} ?[A-Z]{{3}})(?![\w.,]\d|\w)",
    re.I,
)

_MONTH = (
    r"(?:январ[яь]|феврал[яь]|март[а]?|апрел[яь]|ма[яй]|июн[яь]|июл[яь]|август[а]?|сентябр[яь]|октябр[яь]|ноябр[яь]|декабр[яь]"
    r"|қаңтар|кантар|акпан|сауир|шилде|кыркуйек|казан|желтоксан|ақпан|наурыз|сәуір|мамыр|маусым|шілде|тамыз|қыркүйек|қазан|қараша|желтоқсан"
    r"|yanvarya|fevralya|marta|aprelya|maya|iyunya|iyulya|avgusta|sentyabrya|oktyabrya|noyabrya|dekabrya)"
)
_DATE = (
    r"(?:(?<!\d)\d{1,2}[./, -]{1,2}\d{1,2}[./, -]{1,2}\d{2,4}(?!\d)|(?<!\d)(?:19|20)\d{2}-\d{2}-\d{2}(?!\d)"
    rf"|(?<!\d)\d{{1,2}}[./ -](?:I|V|X){{1,4}}[./ -]\d{{2,4}}|(?<!\d)\d{{1,2}}(?:-?го)?[^\S\n]{{1,2}}{_MONTH}\w{{0,4}}(?:[^\S\n]{{1,2}}\d{{2,4}}(?:-?го)?)?|\d{{4}}[^\S\n]{{0,2}}(?:жылғы|жылы|ж\.)[^\S\n]{{0,2}}\d{{1,2}}[^\S\n]{{0,2}}{_MONTH}\w{{0,4}}"
    rf"|{numerals.DATE_WORD}(?:[^\S\n]{{1,2}}(?:{numerals.DATE_WORD}|{_MONTH}|\d{{2,4}})){{1,8}})(?:[^\S\n]{{0,2}}(?:года?|жыл\w{{0,3}})\b)?"
)
_BIRTH = r"(?:род\.?(?=[^\S\n]?\d)|ж\.?\s?т\.?|рожд\w{0,6}|родил\w{0,4}|д\.?\s?р\.?|д\.?рожд\.?|г[./]?\s?р\.?|д/р|туған\w{0,6}|туылған\w{0,4}|rozhd\w{0,6}|rodil\w{0,4}|birth\w{0,5}|tugan\w{0,6}|дн[еяё]\w{0,2} рождени\w|туылган\w{0,4}|туган\w{0,6})"
BIRTH = re.compile(
    rf"(?<!\w){_BIRTH}(?![а-яё])[^\d]{{0,22}}?(?P<after>{_DATE}|(?:19|20)\d{{2}}(?!\d))|(?P<before>{_DATE}|(?<![\d.])(?:(?:19|20)\d{{2}}|\d{{2}})(?=[ -]{{0,2}}(?:г|ж|год)))[^\w\n]{{0,3}}(?:года?\s)?(?:\w{{1,9}}\s)?{_BIRTH}(?![а-яё])",
    re.I,
)
#: a child's date with its year is the day of birth
CHILD = re.compile(
    r"\b(?:реб[её]н\w{1,4}|сын\w{0,4}|доч\w{1,5}|дет(?:и|ей|ям)|малыш\w{0,3}|внук\w{0,3}|внучк\w{1,2}|қыз\w{0,5}|ұл\w{0,5}|бала\w{0,5})(?![а-яё])[^\d\n]{0,16}?"
    r"(?P<after>(?<!\d)\d{1,2}[./, -]\d{1,2}[./, -](?:(?:19|20)\d{2}|\d{2})(?!\d))",
    re.I,
)
