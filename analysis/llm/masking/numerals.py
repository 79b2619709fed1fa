"""Numbers that are said in words, Russian and Kazakh, also in Latin letters: pieces of patterns for what was dictated."""

from __future__ import annotations

_RU = (
    "ноль|нуль|ноля|нули?|один|одна|два|две|дважды|три|трижды|четыре|пять|шесть|семь|восемь|девять|десять|[а-яё]{3,8}надцать|двадцать|тридцать|сорок|пятьдесят"
    "|шестьдесят|семьдесят|восемьдесят|девяносто|сто|двести|триста|четыреста|пятьсот|шестьсот|семьсот|восемьсот|девятьсот"
)
#: without «он», ten, which is «he» in Russian
_KK = "нөл|нол|бір|бир|екі|еки|үш|уш|төрт|торт|бес|алты|жеті|жети|сегіз|сегиз|тоғыз|тогыз|жиырма|отыз|қырық|кырык|елу|алпыс|жетпіс|жетпис|сексен|тоқсан|токсан|жүз|жуз"
_LATIN = "nol|nul|odin|dva|tri|chetyre|pyat|shest|sem|vosem|devyat|desyat|[a-z]{3,8}nadtsat|dvadtsat|tridtsat|sorok|pyatdesyat|shestdesyat|semdesyat|vosemdesyat|devyanosto|sto|dvesti|trista|[a-z]{4,7}sot"
#: one word of a number
WORD = rf"(?:{_RU}|{_KK}|{_LATIN})(?![а-яёәa-z])"
_ORDINAL = "(?:перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|девят|десят|[а-яё]{3,8}надцат|двадцат|тридцат|сороков|[а-яё]{2,6}десят|девяност)(?:ого|его|ое|ье|ого|ый|ий|ой|ьего|ая|ья)(?![а-яё])"
#: one word of a day, a month or a year: «четвёртое ноль пятое девяносто второго»
DATE_WORD = rf"(?:{WORD}|{_ORDINAL}|тысяча|две тысячи|двухтысячн[а-яё]{{2,3}})"
#: one word of a place in a row: «второй подъезд»
ORDINAL = _ORDINAL
