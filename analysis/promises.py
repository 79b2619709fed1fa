"""Promises: who said they would do what, and by when.

A promise is a verb of one's own future («скину», «перезвоним», «жіберемін») with a deadline in the same
sentence. Without a deadline it counts only when nothing of the promiser followed it in the window. Questions,
conditions, negations and offers («могу завтра прислать») are none.
"""

from __future__ import annotations

import re
from datetime import timedelta

from analysis import deadlines
from analysis.lines import Line, Sentence
from analysis.shapes import Promise
from analysis.wording import one_line

_SEND = r"скин(?:у|ем)|пришл(?:ю|ем)|вышл(?:ю|ем)|отправ(?:лю|им)|перешл(?:ю|ем)|жібере(?:мін|міз)"
_SAY = (
    r"(?:пере|по)звон(?:ю|им)|набер(?:у|ем)|напиш(?:у|ем)|отпиш(?:усь|емся)|отвеч(?:у|аем)|ответ(?:им)|сообщ(?:у|им)|да(?:м|дим) (?:вам )?(?:ответ|знать)"
    r"|жаза(?:мын|мыз)|хабарласа(?:мын|мыз)|айта(?:мын|мыз)|қоңырау шала(?:мын|мыз)"
)
_DO = (
    r"подготов(?:лю|им)|сдела(?:ю|ем)|(?:по|рас)счита(?:ю|ем)|уточн(?:ю|им)|узна(?:ю|ем)|спрош(?:у|ем)|согласу(?:ю|ем)|оформ(?:лю|им)|выстав(?:лю|им)|подбер(?:у|ем)|провер(?:ю|им)"
    r"|привез(?:у|ем)|достав(?:лю|им)|замен(?:ю|им)|реш(?:у|им)|верн(?:у|ем)|отгруз(?:им|ят)|разбер(?:усь|емся)|подъед(?:у|ем)|установ(?:им|лю)|апара(?:мын|мыз)|жеткізе(?:мін|міз)|есептеп бере(?:мін|міз)"
    r"|мастер (?:приедет|подъедет|будет)|(?:расчет|договор|счет|эскиз|коммерческое|проект|ответ|заказ|замерщик|кп) (?:\w+ )?(?:будет|придет|приедет)|будет (?:готов\w*|у вас)|дайын болады"
)
_MANAGER = re.compile(rf"\b(?:{_SEND}|{_SAY}|{_DO})\b")
_MANAGER_BARE = re.compile(rf"\b(?:{_SEND}|{_SAY})\b")
#: by dictionary forms: one's own future, or somebody of ours who will come or write, with a deadline in the same sentence
_WILL = re.compile(
    r"\b(?!(?:успеть|смочь|увидеться|встретиться|понять|посмотреть|стать|быть|мочь|захотеть|остаться):)\w+:will1\b"
    r"|\b(?:отзвониться|отписываться|возвращаться|выезжать|ехать|везти|привозить|приезжать|завозить):pres[13]\b"
)
_OURS_WILL = re.compile(
    r"\b(?:прийти|приехать|подъехать|выехать|заехать|привезти|подвезти|завезти|довезти|доставить|отвезти|занести|связаться|позвонить|перезвонить|набрать|написать|ответить|сообщить"
    r"|прислать|отправить|скинуть|передать|отдать|вернуть|принять|сделать|подготовить|посчитать|рассчитать|выставить|оформить|выйти|озвучить|заменить|починить|отрегулировать|установить|собрать|проверить|подтвердить):will3\b"
)
#: what the client does by then, and what holds for everybody, is no promise of ours
_RULE = re.compile(
    r"\b(?:при|после) (?:оплата|предоплата|заказ|замер|подтверждение|получение)\b|\bобычно\b|\b(?:вы|клиент) (?:сам )?\w+:will"
)
_CLIENT = re.compile(
    r"\b(?:оплач(?:у|ем)|оплат(?:им)|перевед(?:у|ем)|внес(?:у|ем)|скин(?:у|ем)|пришл(?:ю|ем)|отправ(?:лю|им)|(?:пере|по)звон(?:ю|им)|напиш(?:у|ем)|отпиш(?:усь|емся)|дам ответ|приед(?:у|ем)|подъед(?:у|ем)|заед(?:у|ем)|зайд(?:у|ем)|прид(?:у|ем)"
    r"|төлейм(?:ін|із)|барамын|келемін|жазамын)\b"
)
_NOT_A_PROMISE = re.compile(
    r"\bесли\b|\bмог(?:у|ли)\b|\bможем\b|\bможно\b|\bбы\b|\bхотите\b|\bобычно\b|\bкак только\b|\bне (?:скин|пришл|отправ|набер|позвон|перезвон|напиш|успе|смог|сдела|привез|получ|приед|оплач)|\bнапомн(?:ю|им)\b"
    r"|\bкогда (?:отправ|привез|сдела|реш|оплат|будет)|\bостал[аи]сь\b|\bскидк[аи] действу|\bвдруг\b|\bможет\b|\bнаверн|\bпостара|егер\b"
)
_KEPT = re.compile(
    r"как (?:и )?обеща|обещанн|\bвот (?:ваш )?(?:расчет|договор|счет|эскиз|фото)|отправляю|ловите|высылаю|прикрепля|расчет[,:]|как договаривались|\bзамен(?:или|ено)|привезли|\bготово\b|извините за ожидание"
)
_SOON = timedelta(minutes=30)


def find(lines: list[Line], sentences: list[Sentence]) -> list[Promise]:
    """Promises of both sides in order, one a sentence."""
    found = []
    for sentence in sentences:
        who = sentence.line.kind
        if who not in ("manager", "client") or sentence.folded.rstrip(' »")').endswith("?"):
            continue
        if _NOT_A_PROMISE.search(sentence.folded) or not _says_so(sentence):
            continue
        when = deadlines.find(sentence.folded, sentence.line.sent_at)
        later = [line for line in lines if line.order > sentence.line.order and line.kind == who]
        if when is None and (
            who == "client" or later or not _MANAGER_BARE.search(sentence.folded) or "сейчас" in sentence.folded
        ):
            continue
        found.append(
            Promise(
                text=one_line(sentence.text, 140).rstrip("."),
                who=who,
                deadline=when[0] if when else None,
                message_ids=(sentence.line.message_id,),
                quote=sentence.quote(),
                kept=who == "manager" and any(_delivers(sentence.line, line) for line in later),
                author=sentence.line.author,
            )
        )
    return found


def _says_so(sentence: Sentence) -> bool:
    """A promise as people word it, or one's own future in any words."""
    if sentence.line.kind == "client":
        return _CLIENT.search(sentence.folded) is not None
    forms = sentence.tagged.line
    return _MANAGER.search(sentence.folded) is not None or (
        (_WILL.search(forms) is not None or _OURS_WILL.search(forms) is not None) and _RULE.search(forms) is None
    )


def _delivers(promise: Line, later: Line) -> bool:
    """A file, or words such as «вот расчёт»; a picture within half an hour is the same thought."""
    if later.has_media and not later.text:
        return later.sent_at - promise.sent_at > _SOON or "фото" in promise.folded
    return _KEPT.search(later.folded) is not None
