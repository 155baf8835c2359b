"""Recognition of the mail that a reply by mail repeats below its own text.

Most mail programs quote that mail with `>`, which Markdown shows as a quotation. Some, such as Outlook, only
put its header fields before it, in the language of the program: its text looks like the reply's own.
"""

# ruff: noqa: RUF001 - letters of many scripts

import re
import unicodedata
from collections.abc import Iterator, Sequence

from bot.text.blanks import BLANK
from bot.text.markdown import parse

# A row for each language: the names of the fields that mail programs write.
_FIELDS = """
    From            | Sent, Date                    | To                  | Subject
    Von             | Gesendet, Datum               | An                  | Betreff
    De, Da          | Envoyé, Envoyé le, Date       | À, A, Pour          | Objet, Sujet
    De              | Enviado, Enviado el, Fecha    | Para, A             | Asunto
    De              | Enviada, Enviada em, Enviado em, Data | Para        | Assunto
    De              | Enviat, Enviat el             | Per a               | Assumpte
    Da              | Inviato, Data                 | A                   | Oggetto
    De la           | Trimis, Dată                  | Către               | Subiect
    Van             | Verzonden, Datum              | Aan                 | Onderwerp
    Från            | Skickat, Datum                | Till                | Ämne
    Fra             | Sendt, Dato                   | Til                 | Emne
    Lähettäjä       | Lähetetty, Päivämäärä         | Vastaanottaja       | Aihe
    Saatja          | Saadetud, Kuupäev             | Adressaat           | Teema
    No              | Nosūtīts, Datums              | Kam                 | Tēma
    Nuo             | Išsiųsta, Data                | Kam                 | Tema
    Od              | Wysłano, Wysłane, Data        | Do                  | Temat
    Od              | Odesláno, Datum               | Komu                | Předmět
    Od              | Odoslané, Dátum               | Komu                | Predmet
    Od, Šalje       | Poslano, Datum                | Za, Prima           | Zadeva, Predmet
    Feladó          | Elküldve, Küldve, Dátum       | Címzett             | Tárgy
    Kimden, Gönderen | Gönderildi, Gönderme Tarihi, Tarih | Kime, Alıcı   | Konu
    Από             | Στάλθηκε, Ημερομηνία          | Προς                | Θέμα
    От, От кого     | Отправлено, Дата              | Кому                | Тема
    Від             | Надіслано, Дата               | Кому                | Тема
    От              | Изпратено, Дата               | До                  | Относно, Тема
    Šalje, Шаље     | Послато, Датум                | Za, За              | Наслов, Тема
    מאת             | נשלח, תאריך                   | אל                  | נושא
    من              | تم الإرسال, التاريخ           | إلى                 | الموضوع
    از              | ارسال شده, تاریخ              | به                  | موضوع
    จาก             | ส่ง, วันที่                   | ถึง                 | เรื่อง
    Từ              | Đã gửi, Ngày                  | Đến, Tới            | Chủ đề
    Dari            | Dikirim, Tanggal              | Kepada, Ke          | Subjek, Perihal
    差出人, 送信者   | 送信日時, 送信日, 日時, 日付    | 宛先                | 件名
    发件人          | 发送时间, 日期, 时间           | 收件人              | 主题
    寄件者, 寄件人   | 寄件日期, 傳送時間, 日期        | 收件者, 收件人       | 主旨, 主題
    보낸 사람, 발신  | 보낸 날짜, 날짜, 전송           | 받는 사람, 수신      | 제목
"""
_ROLES = ("from", "sent", "to", "subject")


Role = tuple[int, str]  # the number of a language, and one of _ROLES


def _fields() -> dict[str, set[Role]]:
    roles: dict[str, set[Role]] = {}
    for language, row in enumerate(_FIELDS.strip().splitlines()):
        for role, cell in zip(_ROLES, row.split("|"), strict=True):
            for name in cell.split(","):
                roles.setdefault(name.strip().casefold(), set()).add((language, role))
    return roles


_ROLES_OF = _fields()
_ORNAMENT = rf"(?:{BLANK}|[*_\\]|</?(?:b|strong)>)*"
_FIELD = re.compile(rf"{_ORNAMENT}(?P<name>[^\W\d_][^:：*_<>]{{0,30}}?){_ORNAMENT}[:：]", re.IGNORECASE)
_BETWEEN = 2  # lines of a long field between two others
_RULE = re.compile(rf"{BLANK}*(?:[_=*-]{{5,}}|-{{2,}}.{{0,60}}-{{2,}}){BLANK}*")
_ORIGINAL = re.compile(
    r"\s*-{3,}\s*(?:original[ -]?(?:message|nachricht|appointment)|ursprüngliche nachricht|reply message"
    r"|(?:forwarded|weitergeleitete) (?:message|nachricht)|message (?:d['’]origine|original|transféré)"
    r"|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|původní zpráva"
    r"|wiadomość oryginalna|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding"
    r"|alkuperäinen viesti|eredeti üzenet|(?:orijinal|özgün) (?:mesaj|ileti)|исходное сообщение"
    r"|原始邮件|原始郵件|元のメッセージ|원본 메시지)\s*-{3,}\s*",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"\s*(?=.*\d)(?:on\b.*\bwrote|am\b.*\bschrieb\b.*|le\b.*a écrit|el\b.*escribió|il\b.*ha scritto"
    r"|(?:em|a)\b.*escreveu|op\b.*\bschreef\b.*|den\b.*\bskrev\b.*|.*\bkirjoitti\b.*|.*\bnapisał(?:a|\(a\))?"
    r"|.*\bnapsal(?:a|\(a\))?|.*\b(?:написал(?:а|\(а\))?|пишет|пише)|.*\byazdı|.*写道|.*寫道|.*작성)\s*[:：]\s*",
    re.IGNORECASE,
)
_LONGEST = 500  # characters of a line that are looked at


def without_repeated_mail(text: str) -> str:
    """Return the Markdown before a repeated mail that is not quoted; all of it if there is none.

    The mail begins with its header fields, with a line such as `-----Original Message-----`, or with one
    such as `On 3 March, Ann wrote:`. In code, such lines mean nothing.
    """
    parts = re.split(r"(\r\n?|\n)", text)  # lines and line ends in turn, as Markdown has them
    lines = [unicodedata.normalize("NFC", line[:_LONGEST]) for line in parts[::2]]
    quoted = _before_quotations(lines)
    starts = [first for first, after in sorted(_beginnings(lines)) if after not in quoted]
    code = _code_lines(text) if starts else set()
    start = next((at for at in starts if at not in code), None)
    if start is None:
        return text
    while start and (not lines[start - 1].strip() or _RULE.fullmatch(lines[start - 1])):
        start -= 1
    return "".join(parts[: 2 * start])


def _beginnings(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the lines with which a mail may begin, and of the lines after these."""
    yield from _headers(lines)
    for at, line in enumerate(lines):
        pair = lines[at : at + 2]
        if _introduces(line):
            yield at, at + 1
        elif len(pair) == 2 and not _introduces(pair[1]) and _introduces(" ".join(pair)):
            yield at, at + 2  # the mail program broke the line


def _introduces(line: str) -> bool:
    return bool(_ORIGINAL.fullmatch(line) or _WROTE.fullmatch(line))


def _headers(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first line of each group of header fields that only a mail has, and a line within it."""
    roles, first, between = set[Role](), 0, 0
    for at, line in enumerate(lines):
        if new := _roles_of(line):
            first = first if roles else at
            roles |= new
            between = 0
            if any(_is_header(roles, language) for language, _ in new):
                yield first, at + 1
                roles = set()
        elif line.strip():
            between += 1
            if between > _BETWEEN or line.lstrip().startswith(("/", "@")):
                roles = set()


def _is_header(roles: set[Role], language: int) -> bool:
    names = {role for each, role in roles if each == language}
    return {"from", "subject"} <= names or {"from", "sent", "to"} <= names


def _roles_of(line: str) -> set[Role]:
    field = _FIELD.match(line)
    return _ROLES_OF.get(field["name"].strip().casefold(), set()) if field else set()


def _before_quotations(lines: Sequence[str]) -> set[int]:
    """Return the lines from which the next text, header fields left out, is a quotation."""
    found, is_quotation = set[int](), False
    for at in range(len(lines) - 1, -1, -1):
        if lines[at].strip() and not _FIELD.match(lines[at]):
            is_quotation = lines[at].lstrip().startswith(">")
        if is_quotation:
            found.add(at)
    return found


def _code_lines(text: str) -> set[int]:
    blocks = [token.map for token in parse(text) if token.type in {"fence", "code_block"} and token.map]
    return {line for first, end in blocks for line in range(first, end)}
