"""Ways to reach a person: phones, also dictated ones, e-mails, names in messengers, links to them."""

from __future__ import annotations

import re

from analysis.llm.masking import numerals

# every repetition is bounded: a client's message of 65,536 characters must take no more than a long one
_HOST = r"(?:t(?:elegram)?\.me|wa\.me|api\.whatsapp\.com|vk\.(?:com|ru|me)|(?:instagram|facebook|tiktok|threads)\.(?:com|net)|ok\.ru|fb\.com|m\.me|viber\.click)"
#: a person's page, or a way to write to them; the host alone is nobody's
LINK = re.compile(rf"(?:https?://)?(?:www\.|m\.)?{_HOST}/[^\s,;«»\"'<>()]{{1,200}}", re.I)
_AT = r"\s?(?:@|\{at\}|\(@\)|\[at\]|\(at\)|\bsobaka\b|[\[(]?(?<![а-яё])соба(?:к|чк)[аи](?![а-яё])[\])]?)\s?"
_DOT = r"(?:\.| \. |\s?(?:[\[(]?(?<![а-яё])точка(?![а-яё])[\])]?|\[dot\]|\(dot\)|\btochka\b)\s?)"
_USER = rf"[^\W](?:[\w+-]{{0,40}}(?:{_DOT}[\w+-]{{1,40}}){{0,5}})"
EMAIL = re.compile(
    rf"(?<![\w.+-])(?:{_USER}{_AT}[^\W][\w-]{{0,62}}(?:{_DOT}[\w-]{{1,63}}){{1,4}}|{_USER}\s?соба(?:к|чк)[аи]\s[а-яёa-z-]{{2,20}}\s(?:ру|ком|кз|нет|ru|com|kz)\b|[\w.+-]{{1,64}}\s?@\s?[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,6}})",
    re.I,
)
HANDLE = re.compile(
    r"(?<![\w.@/])@[A-Za-z0-9_](?:[A-Za-z0-9_.]{1,62}[A-Za-z0-9_])"
    # «ник в телеге marat_pvl»: without the sign a name in a messenger has a digit or a line in it
    r"|(?i:(?<=\bтг )|(?<=\bтг: )|(?<=\bинста )|(?<=\bинста: )|(?<=\bник )|(?<=\bник: )|(?<=\bтелега )|(?<=\bтелеграм )|(?<=\bинстаграм )|(?<=\btg )|(?<=\binsta )"
    r"|(?<=\bюзернейм )|(?<=\bскайп )|(?<=\bskype ))(?=[A-Za-z.]{0,30}[\d_])[A-Za-z][A-Za-z0-9_.]{3,32}"
)
#: groups of digits with the separators people use, letters right next to them too («тел87011234567»); judged by how many
#: digits there are. A keycap emoji is a digit with a frame
_SEPARATOR = r"[\d \t\u00a0\u2009\u202f\u20e3()./‐‑‒–—−_\u2600-\u27bf\U0001f000-\U0001faff-]"
DIGITS = re.compile(rf"(?<!\d)\+?\(?\d(?:{_SEPARATOR}{{0,60}}\d\u20e3?)?(?!\d)")
#: with the letter O for a nought
WITH_LETTERS = re.compile(
    r"(?<![\w+])\+?[78][ (-]{0,2}(?=[\d ()-]{0,12}[ОOоo])(?:[\dОOоo][ ()-]{0,2}){9}[\dОOоo](?!\w)"
)
#: a number that goes on in the next line, or after a word («8 семьсот семь 234 12 56»)
BROKEN = re.compile(r"\+\d[\d ()-]{2,12}\n[\d ()-]{6,14}\d")
_PART = rf"(?:{numerals.WORD}|\d{{1,4}})(?![а-яёa-z])"
SPOKEN = re.compile(rf"(?<![\w])(?:плюс\W{{1,3}})?{_PART}(?:\W{{1,3}}(?:и\s)?{_PART}){{4,22}}", re.I)
IS_WORD = re.compile(numerals.WORD, re.I)
#: what is counted is no number of a phone
COUNTED = re.compile(r"\W{0,3}(?:тысяч|миллион|тенге|рубл|процент|метр|сантим|штук|дней|мың|теңге|см\b|мм\b)", re.I)
#: a number of the town: seven digits by three, two and two, or fewer after a word that says what it is
LOCAL = re.compile(
    r"(?<![\d-])\d{3}[-‐–]\d{2}[-‐–]\d{2}(?![\d-])"
    r"|(?i:(?:\b(?:тел(?:ефон\w{0,3})?|городск\w{2,3}|домашн\w{2,3}|рабоч\w{2,3}|факс|номер\w{0,2}|звони\w{0,4}|набер\w{1,4}|tel|nomer\w{0,2}|нөмір\w{0,4})\b[^\d\n]{0,20}))"
    r"(?P<number>\d{1,3}[-‐– ]\d{2}[-‐– ]\d{2}(?![\d-])|\d{6,7}(?!\d))"
)
#: the number inside an office, after that of the office
EXTENSION = re.compile(
    r"(?<=⟧)[^\S\n]{0,2},?[^\S\n]{0,2}(?P<number>(?:доб|внутр|вн|ext)\w{0,8}\.?[^\S\n]{0,2}\d{1,6})", re.I
)
