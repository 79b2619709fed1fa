"""Promises: who said they would do what, and by when.

A promise of ours is a verb of our own future, with a deadline or without («передам», «гляну и отпишу», «жіберемін»);
somebody else of ours who will do it («мастер перезвонит», «вам позвонят»); a passive («акт будет направлен»); a delivery or
a visit with its time and no verb («машина во вторник»); a mere time where the client asked for one («на этой неделе»).
A promise of the client needs a deadline. Questions, conditions, negations, offers («могу завтра прислать») and what is done
in the same breath («записала») are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from analysis.reading.models import Promise
from analysis.reading.normalisation import one_line
from analysis.reading.sentences import Line, Sentence
from analysis.rules import deadlines

_SEND = r"скин(?:у|ем)|пришл(?:ю|ем)|вышл(?:ю|ем)|отправ(?:лю|им)|перешл(?:ю|ем)|жібере(?:мін|міз)"
_SAY = (
    r"(?:пере|по)звон(?:ю|им)|набер(?:у|ем)|напиш(?:у|ем)|отпиш(?:усь|емся)|отвеч(?:у|аем)|ответ(?:им)|сообщ(?:у|им)|да(?:м|дим) (?:вам )?(?:ответ|знать)"
    r"|жаза(?:мын|мыз)|хабарласа(?:мын|мыз)|айта(?:мын|мыз)|қоңырау шала(?:мын|мыз)"
)
_DO = (
    r"подготов(?:лю|им)|сдела(?:ю|ем)|(?:по|рас)счита(?:ю|ем)|уточн(?:ю|им)|узна(?:ю|ем)|спрош(?:у|ем)|согласу(?:ю|ем)|оформ(?:лю|им)|выстав(?:лю|им)|подбер(?:у|ем)|провер(?:ю|им)"
    r"|привез(?:у|ем)|достав(?:лю|им)|замен(?:ю|им)|реш(?:у|им)|верн(?:у|ем)|отгруз(?:им|ят)|разбер(?:усь|емся)|подъед(?:у|ем)|установ(?:им|лю)|апара(?:мын|мыз)|жеткізе(?:мін|міз)|есептеп бере(?:мін|міз)"
    r"|мастер (?:приедет|подъедет|будет)|(?:расчет|договор|счет|эскиз|коммерческое|проект|ответ|заказ|замерщик|кп) (?:\w{1,40} )?(?:будет|придет|приедет)|будет (?:готов\w{0,40}|у вас)|дайын болады"
)
_MANAGER = re.compile(rf"\b(?:{_SEND}|{_SAY}|{_DO})\b")
_MANAGER_BARE = re.compile(rf"\b(?:{_SEND}|{_SAY})\b")
#: by dictionary forms: one's own future. Left out: what is no deed («поймём», «подождём»), what the answer itself does
#: («скажу так», «запишу вас») and assurances («решим», «поможем»)
_NO_DEED = (
    r"(?:успеть|смочь|увидеться|встретиться|понять|стать|быть|мочь|захотеть|остаться|подождать|дождаться|сказать|подсказать|рассказать|объяснить|показать|записать|забронировать"
    r"|помочь|решить|подумать|договориться|попробовать|надеяться|рекомендовать|посоветовать|предложить|напомнить себе|посидеть|поговорить|пойти|начать|ответить|уступить|сделать|добавить|скинуть|дать|взять|считать)"
)
_WILL = re.compile(
    r"\b(?!(?:успеть|смочь|увидеться|встретиться|понять|посмотреть|стать|быть|мочь|захотеть|остаться|записать|забронировать|закрепить|зафиксировать|послушать|попробовать|доказать):)\w{1,40}:will1\b"
    r"|\b(?:отзвониться|отписываться|возвращаться|выезжать|ехать|везти|привозить|приезжать|завозить|звонить|связываться|бежать|лететь):pres[13]\b"
)
_WILL_SOMETIME = re.compile(rf"\b(?!{_NO_DEED}:)\w{{1,40}}:will1\b")
_OURS_WILL = re.compile(
    r"\b(?:прийти|приехать|подъехать|выехать|заехать|привезти|подвезти|завезти|довезти|доставить|отвезти|занести|связаться|позвонить|перезвонить|набрать|написать|ответить|сообщить"
    r"|прислать|отправить|скинуть|передать|отдать|вернуть|вернуться|принять|сделать|подготовить|посчитать|рассчитать|выставить|выписать|оформить|выйти|озвучить|заменить|починить|отрегулировать|установить"
    r"|собрать|проверить|подтвердить|поступить|перечислить|зачислить|отобразиться|решить|глянуть|посмотреть|осмотреть|уточнить|подъезжать|забрать|поменять|переделать|исправить|пройти|начать|отгрузить|поехать|уйти|подождать|соединить|рассмотреть):will3\b"
)
#: somebody of ours will get in touch: no deadline is needed
_OURS_CALL = re.compile(
    r"\b(?:связаться|позвонить|перезвонить|набрать|написать|отписать|отписаться|ответить|сообщить|прислать|скинуть|объяснить|привезти|глянуть|подъехать|выслать|выписать):will3\b"
)
_PASSIVE = re.compile(
    r"\b(?:быть:will3|быть:will1) (?:\S{1,80} ){0,3}?(?:\w{1,40}:done|готовый|готово|у вы|сам|сама|здесь|тут|на место|на ресепшен\w{0,40})\b"
)
#: Kazakh, in plain letters as they stand: «жіберемін», «айтам»; with a deadline also «келеді», «дайын болады»
_KAZAKH_OWN = re.compile(
    r"\b(?!күт|істе|жаса|бер|дей|білме|ойла|көр(?:ем|емін)\b|түсін)[а-яәғқңөұүһі]{2,}(?:амын|емін|ймын|ймін|алаймын)\b"
    r"|\b(?:айтам|жазам|апарам|әкелем|жіберем|хабарлаймыз|хабарлаймын|хабарласам|тоқтатам|қалдырам|сұрап көрем|сұраймын|барам|жетеміз|жеткіземіз|барамыз|апарып берем|алып келем|айтып қояйын|тексеріп көрейік|сұрап айтайын|еске саламын)\b"
)
_KAZAKH_OURS = re.compile(
    r"\b(?:келеді|барады|жетеді|болады|дайын|хабарласады|жібереді|әкеледі|апарады|соғады|шығады|тексереді|жазады|жазып|қайтарады|жеткіземіз|жібереміз|береміз|ауыстырамыз)\b"
)
#: a delivery or a visit with its time and no verb
_COMING = re.compile(
    r"\b(?:машина|отгрузка|доставка|мастер|водитель|курьер|бригада|монтаж|установка|сборка|замер|замерщик|заказ|счет|договор|смета|эскиз|акт|ответ|решение|возврат|готовность|выезд|вывоз|приступать:pres1|подъезжать:pres3|ехать:pres1)\b"
)
_ANY_VERB = re.compile(
    r"(?<!быть)(?<!ехать)(?<!подъезжать)(?<!приступать):(?:past|pres[123]|imp|will[123]?|done|inf)\b"
)
#: the client asked for a time
_WHEN = re.compile(
    r"\b(?:когда|скоро|сколько (?:еще )?(?:ждать|ехать)|долго|где|давно|ждем|жду|ждать|день назвать|назвать день|қашан|қайда|нешеде)\b"
)
#: times no calendar date follows from, and times said shortly
_TIME = re.compile(
    r"\bза (?:час|день|два|неделю|сутки|пару)\b|\bнакануне\b|\b\d{1,3}\s*(?:мин\w{0,40}|м)\b|\bминут\w{0,40}\b|\bполчаса\b|\bчас(?:а|ов|ик)?\b|\bсегодня\b|\bзавтра\b|\b(?:до|к|после|с) (?:\d{1,2}|обед\w{1,40}|вечер\w{1,40}|утр\w{1,40}|двух|трех|четырех|пяти|шести|семи|восьми|девяти)\b"
    r"|\b(?:в|во|к|ко|до) (?:пн|вт|ср|чт|пт|сб|вс|понедельник\w{0,40}|вторник\w{0,40}|сред\w{1,40}|четверг\w{0,40}|пятниц\w{1,40}|суббот\w{1,40}|воскресень\w{1,40})\b|\b\d{1,2}[–-]\d{1,2}\b|\b\d{1,2}-?(?:го|е)\b|\bрабоч\w{1,40} дн\w{1,40}|\bнедел\w{1,40}|\bсуток\b|\bсекунд\w{0,40}\b|\b\d{1,2}[:.]\d\d\b|\bна дн(?:ях|ем)\b|\bсейчас\b|\bутром\b|\bвечером\b"
    r"|\b(?:ертең|бүгін|кешке|түст\w{0,40}|таң\w{0,40}|сағат\w{0,40}|минут\w{0,40}|жұма\w{0,40}|сенбі\w{0,40}|дүйсенбі\w{0,40}|сейсенбі\w{0,40}|сәрсенбі\w{0,40}|бейсенбі\w{0,40}|апта\w{0,40}|күн\w{0,40}|қазір|көктемде|\d+-?(?:де|да|ге|ға|не))\b"
)
#: what the client does by then, and what holds for everybody, is no promise of ours
_RULE = re.compile(
    r"\b(?:при|после) (?:оплата|предоплата|заказ|замер|подтверждение|получение|осмотр|диагностика)\b|\bобычно\b|\b(?:вы|клиент) (?:сам )?\w{1,40}:will2\b"
)
_CLIENT = re.compile(
    r"\b(?:оплач(?:у|ем)|оплат(?:им)|перевед(?:у|ем)|внес(?:у|ем)|скин(?:у|ем)|пришл(?:ю|ем)|отправ(?:лю|им)|(?:пере|по)звон(?:ю|им)|напиш(?:у|ем)|отпиш(?:усь|емся)|дам ответ|приед(?:у|ем)|подъед(?:у|ем)|заед(?:у|ем)|зайд(?:у|ем)|прид(?:у|ем)"
    r"|төлейм(?:ін|із)|барамын|келемін|жазамын)\b"
)
_NOT_A_PROMISE = re.compile(
    r"\bесли\b|\bмог(?:у|ли)\b|\bможем\b|\bможно\b|\bбы\b|\bхотите\b|\bобычно\b|\bкак только\b|\bне (?:скин|прид|пришл|отправ|набер|позвон|перезвон|напиш|успе|смог|сдела|привез|получ|приед|оплач)"
    r"|\bкогда (?:отправ|привез|сдела|реш|оплат|будет)|\bостал[аи]сь\b|\bскидк[аи] действу|\bвдруг\b|\bможет\b|\bнаверн|\bпостара|егер\b|\bпусть\b|\bпускай\b|\bзаймет\b|\b\w{1,40}[мбп][ае]ймы?і?н\b"
)
_KEPT = re.compile(
    r"как (?:и )?обеща|обещанн|\bвот (?:ваш )?(?:расчет|договор|счет|эскиз|фото)|отправляю|ловите|высылаю|прикрепля|расчет[,:]|как договаривались|\bзамен(?:или|ено)|привезли|\bготово\b|извините за ожидание"
)
_SOON = timedelta(minutes=30)


def find(lines: list[Line], sentences: list[Sentence]) -> list[Promise]:
    """Promises of both sides in order, one a sentence."""
    found = []
    for sentence, deadline in said(sentences):
        who = sentence.line.kind
        later = [line for line in lines if line.order > sentence.line.order and line.kind == who]
        found.append(
            Promise(
                text=one_line(sentence.text, 140).rstrip("."),
                who=who,
                deadline=deadline,
                message_ids=(sentence.line.message_id,),
                quote=sentence.quote(),
                kept=who == "manager" and any(_delivers(sentence.line, line) for line in later),
                author=sentence.line.author,
            )
        )
    return found


def said(sentences: Iterable[Sentence]) -> Iterator[tuple[Sentence, date | None]]:
    """The sentences that promise, in order, each with the date it names."""
    asked: Line | None = None
    for sentence in sentences:
        who = sentence.line.kind
        if who == "client":
            asked = sentence.line
        if who not in ("manager", "client") or sentence.folded.rstrip(' »")').endswith("?"):
            continue
        if _NOT_A_PROMISE.search(sentence.folded) or (who == "client" and not _clients_deed(sentence)):
            continue
        when = deadlines.find(sentence.folded, sentence.line.sent_at)
        if who == "client":
            is_promise = _client_says_so(sentence, when is not None)
        else:
            is_promise = _we_say_so(sentence, when is not None, asked)
        if is_promise:
            yield sentence, when[0] if when else None


def _client_says_so(sentence: Sentence, has_date: bool) -> bool:
    is_short = len(sentence.tagged.line.split()) <= _SHORT
    return has_date or (is_short and _TIME.search(sentence.folded) is not None)


def _clients_deed(sentence: Sentence) -> bool:
    """In words of their own future; Kazakh has no dictionary here."""
    forms, text = sentence.tagged.line, sentence.folded
    return bool(_CLIENT.search(text) or _WILL_SOMETIME.search(forms) or _KAZAKH_OWN.search(text))


def _we_say_so(sentence: Sentence, has_date: bool, asked: Line | None) -> bool:
    """A promise as people word it, or one of the constructions of the module's head."""
    forms, text = sentence.tagged.line, sentence.folded
    if _GREETING.search(text) and len(text.split()) <= 4:
        return False
    if not has_date and sentence.line.text.rstrip(" )🙂😊").endswith("?"):
        return False  # «приеду, посмотрю. Среда или четверг?» proposes
    is_short = len(forms.split()) <= _SHORT
    has_time = has_date or (is_short and _TIME.search(text) is not None)
    if _KAZAKH_LETTER.search(text) or _KAZAKH_OWN.search(text):
        return not _KAZAKH_ORDER.search(text) and bool(
            _KAZAKH_OWN.search(text) or (has_time and _KAZAKH_OURS.search(text)) or (has_date and _MANAGER.search(text))
        )
    if _RULE.search(forms):
        return False
    if _MANAGER.search(text) and (has_date or (is_short and (has_time or _MANAGER_BARE.search(text)))):
        return True
    if has_time and (_WILL.search(forms) or _OURS_WILL.search(forms) or _PASSIVE.search(forms)):
        return has_date or is_short
    if is_short and (_OURS_CALL.search(forms) or _says_of_oneself(sentence)):
        return True
    if not has_time or not is_short or _ANY_VERB.search(forms):
        return False
    if _COMING.search(forms):
        return True
    return asked is not None and len(forms.split()) <= 6 and _WHEN.search(asked.folded) is not None


def _says_of_oneself(sentence: Sentence) -> bool:
    """«Передам», «гляну»: one person's own deed. «Сделаем», «уберём» without a time say what the company can do."""
    for match in _WILL_SOMETIME.finditer(sentence.tagged.line):
        word = re.match(r"\w{1,40}", sentence.folded[sentence.tagged.place(match.start()) :])
        if word is not None and word[0].endswith(("у", "ю", "усь", "юсь", "дам")):
            return True
    return False


#: forms of a sentence in which a time said shortly, or none, is enough
_SHORT = 16
_GREETING = re.compile(r"\b(?:добр\w{1,40}|здравствуйте|утро|қайырлы|салем|сәлем\w{0,40}|привет)\b")
_KAZAKH_ORDER = re.compile(
    r"\w{1,40}(?:ыңыз|іңіз|ңыз|ңіз)\b|\w(?:айын|ейін|йын|йін) (?:ба|бе)\b|\w{1,40}(?:сеңіз|саңыз|са|се)\b"
)
_KAZAKH_LETTER = re.compile("[әғқңөұүһі]")


def _delivers(promise: Line, later: Line) -> bool:
    """A file, or words such as «вот расчёт»; a picture within half an hour is the same thought."""
    if later.has_media and not later.text:
        return later.sent_at - promise.sent_at > _SOON or "фото" in promise.folded
    return _KEPT.search(later.folded) is not None
