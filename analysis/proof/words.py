"""Words by dictionary form, and which of them a sentence about a dialog may use without a message that holds them."""

from __future__ import annotations

import re
from functools import lru_cache

from analysis.proof import quantities
from analysis.reading.morphology import tagged
from analysis.reading.normalisation import folded


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: who a sentence speaks of
CLIENT = frozenset(["клиент", "клиентка", "покупатель", "покупательница", "заказчик", "заказчица"])
MANAGER = frozenset(
    ["менеджер", "продавец", "компания", "консультант", "администратор", "сотрудник", "салон", "магазин"]
)
#: words that carry no claim of their own
FUNCTION = _set(
    """и а но или что как где когда чтобы если то это этот тот такой свой его её ее их он она они мы вы я себя в во на с со к ко у о об от до из за по
    под над при про для без не ни нет же ли бы уже ещё еще также тоже только сейчас теперь потом после перед затем пока так там тут здесь который
    какой какая чей весь все всё сам самый один есть быть являться стать мочь можно нужно надо нужный хотеть очень более менее около примерно между
    через ранее раньше позже снова опять поэтому потому сразу далее дальше кроме вместо либо ни никто ничто никакой любой другой иной каждый первый
    второй последний новый сначала иметь оставаться остаться идти делать сделать дать давать время речь вопрос ответ сообщение диалог переписка чат
    разговор клиент клиентка покупатель менеджер продавец компания консультант сотрудник слово тема причина просьба предложение дальнейший следующий
    шаг решение деталь подробность информация данные итог результат сторона ход состояние ситуация момент раз число срок дата сумма цена стоимость
    написать говорить сказать сообщить рассказать"""
)
OF_RECEIVING = _set("получить получать услышать узнать увидеть дождаться")
OF_STANDING = _set("ждать ожидать остаться стоять прийти решить нужный необходимо")
#: words of one meaning: a sentence may say one where the message says another
_GROUPS = (
    "цена стоимость стоить почём почем сколько прайс ценник дорого дешево дешевле рубль тенге тысяча бюджет сумма",
    "доставка доставить доставлять привезти привозить везти отвезти подвезти довезти жеткізу",
    "оплата оплатить заплатить платить платеж предоплата аванс перевод перевести внести чек",
    "запись записать записаться записывать бронь забронировать визит приехать подъехать прийти зайти приезжать встреча жду ждать",
    "фото фотография снимок картинка скрин",
    "звонок позвонить перезвонить созвониться набрать звонить",
    "скидка скинуть уступить дешевле акция",
    "размер габарит метр сантиметр ширина высота длина",
    "цвет оттенок тон",
    "рассрочка кредит частями долями каспи",
    "гарантия гарантийный",
    "жалоба пожаловаться недовольный претензия брак царапина сломаться",
    "отказ отказаться передумать неактуально актуальный",
    "подумать думать решить посоветоваться",
    "ремонт отремонтировать починить ремонтировать чинить",
    "расчет рассчитать посчитать смета считать просчитать",
    "наличие есть имеется иметься",
    "срок когда скоро долго готовый изготовление",
    "адрес где находиться",
    "замер замерить замерщик измерить",
    "возврат вернуть возвратить",
    "оформить оформление заказ заказать оформлять",
    "консультация консультироваться проконсультировать",
)
_SYNONYM = {word: number for number, group in enumerate(_GROUPS) for word in group.split()}
_MARK = re.compile(r":\w+$")


@lru_cache(maxsize=2048)
def lemmas(text: str) -> tuple[str, ...]:
    """Dictionary forms in order, numbers and marks of punctuation left out."""
    return tuple(word for word, _ in marked(text))


@lru_cache(maxsize=2048)
def marked(text: str) -> tuple[tuple[str, str], ...]:
    """``(dictionary form, mark of tense or mood)`` in order."""
    found = []
    for form in tagged(folded(text)).line.split():
        word = _MARK.sub("", form)
        if word and word[0].isalpha():
            found.append((word, form[len(word) + 1 :]))
    return tuple(found)


def content(text: str) -> list[str]:
    """Words that say something: three letters and more, none of :data:`FUNCTION`, none of time, which is checked as such."""
    return [word for word in lemmas(text) if len(word) > 2 and word not in FUNCTION and not _is_time(word)]


@lru_cache(maxsize=4096)
def _is_time(word: str) -> bool:
    return bool(quantities.moments(word))


def means(word: str) -> set[str]:
    """The word, its beginning and its group: what it is compared by."""
    found = {word}
    if len(word) >= 6:
        found.add(word[: max(5, len(word) - 3)] + "*")
    if word in _SYNONYM:
        found.add(f"={_SYNONYM[word]}")
    return found


def all_means(words: list[str] | tuple[str, ...]) -> set[str]:
    return {one for word in words for one in means(word)}
