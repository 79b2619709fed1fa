{#
  Does a client's line need an answer? «спасибо», «ок», a sticker or an emoji do not, after an answer and unless they
  hold a question. Letters are named by code point: [[:alpha:]] depends on the database's locale.
#}
{% macro says_nothing(body) -%}
    ({{ body }} !~ '[0-9A-Za-z\u00C0-\u1FFF\u3040-\u9FFF\uAC00-\uD7AF]')
{%- endmacro %}

{# Only words of thanks, agreement or farewell, at least one of them beside the fillers. The pattern is dear (it cost two thirds of
   int_messages): it is tried on short lines made of the right words alone. #}
{% macro is_closing_phrase(body) -%}
    {%- set phrases = _closing_words() -%}
    {%- set words = (phrases + _filler_words()) | join(' ') -%}
    case
        when length({{ body }}) > 120 then false
        when not string_to_array({{ _bare_words(body) }}, ' ') <@ array['{{ words.split() | unique | join("', '") }}'] then false
        else {{ _bare_words(body) }} ~ '^(({{ _filler_words() | join("|") }}) )*({{ phrases | join("|") }})( ({{ (phrases + _filler_words()) | join("|") }}))*$'
    end
{%- endmacro %}

{# Lower case, ё as е, everything that is neither letter nor digit as one space. #}
{% macro _bare_words(body) -%}
    btrim(regexp_replace(replace(lower({{ body }}), 'ё', 'е'), '[^0-9a-z\u00E0-\u1FFF]+', ' ', 'g'))
{%- endmacro %}

{% macro _closing_words() -%}
    {{ return([
        'спасибо', 'спасибочки', 'спс', 'пасиб', 'пасибо', 'сенкс', 'благодарю', 'благодарим', 'благодарна', 'благодарен',
        'большое спасибо', 'огромное спасибо', 'рахмет', 'ракмет', 'рахмат', 'жарайды', 'тусиникти', 'түсінікті',
        'ок', 'оке', 'окей', 'окэй', 'ok', 'okay', 'okey', 'k', 'оки', 'окии', 'хорошо', 'хор', 'ладно', 'лады', 'добро',
        'понял', 'поняла', 'поняли', 'понятно', 'пон', 'ясно', 'ясненько', 'принято', 'принял', 'приняла', 'договорились',
        'отлично', 'супер', 'класс', 'круто', 'замечательно', 'прекрасно', 'здорово', 'ага', 'угу', 'жаксы', 'жақсы',
        'до свидания', 'до встречи', 'до завтра', 'до связи', 'всего доброго', 'всего хорошего', 'хорошего дня',
        'хорошего вечера', 'взаимно', 'и вам', 'и вам тоже', 'вам тоже', 'thanks', 'thank you', 'thx',
        'получил', 'получила', 'увидел', 'увидела', 'будем знать', 'буду знать',
        'подумаем', 'подумаю', 'будем думать', 'буду думать', 'посоветуемся', 'посоветуюсь', 'записал', 'записала', 'записали'
    ]) }}
{%- endmacro %}

{% macro _filler_words() -%}
    {{ return([
        'вам', 'вас', 'тебе', 'большое', 'огромное', 'тогда', 'все', 'всем', 'ну', 'и', 'за', 'ответ', 'помощь', 'информацию',
        'инфо', 'консультацию', 'оперативность', 'очень', 'тоже', 'много', 'сізге', 'сизге', 'көп', 'коп', 'very', 'much', 'so', 'you'
    ]) }}
{%- endmacro %}
