"""A mail that a reply repeats is left out, unless it is quoted or code."""

# ruff: noqa: RUF001 - letters of many scripts

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.repeated_mail import without_repeated_mail

OWN = "/status\n\nThank you.\n"
REPEATED = "\nHello.\n\n/run tidy\n"
HEADERS = {
    "English": "From: Ann <ann@example.org>\nSent: March 2, 2026\nTo: b@example.org\nSubject: c",
    "German": "Von: Ann\nGesendet: Montag, 2. März 2026 10:00\nAn: b\nCc: c\nBetreff: AW: [a/b] c",
    "French": "De\u00a0: Ann\nEnvoyé\u00a0: lundi 2 mars 2026\nÀ\u00a0: b\nObjet\u00a0: RE: c",
    "Spanish": "De: Ann\nEnviado el: lunes, 2 de marzo de 2026 10:00\nPara: b\nAsunto: RE: c",
    "Portuguese": "De: Ann\nEnviada em: segunda-feira, 2 de março de 2026 10:00\nPara: b\nAssunto: RES: c",
    "Italian": "Da: Ann\nInviato: lunedì 2 marzo 2026 10:00\nA: b\nOggetto: R: c",
    "Dutch": "Van: Ann\nVerzonden: maandag 2 maart 2026 10:00\nAan: b\nOnderwerp: RE: c",
    "Swedish": "Från: Ann\nSkickat: den 2 mars 2026 10:00\nTill: b\nÄmne: SV: c",
    "Danish": "Fra: Ann\nSendt: 2. marts 2026 10:00\nTil: b\nEmne: SV: c",
    "Finnish": "Lähettäjä: Ann\nLähetetty: 2. maaliskuuta 2026 10.00\nVastaanottaja: b\nAihe: VS: c",
    "Polish": "Od: Ann\nWysłano: poniedziałek, 2 marca 2026 10:00\nDo: b\nTemat: ODP: c",
    "Czech": "Od: Ann\nOdesláno: pondělí 2. března 2026 10:00\nKomu: b\nPředmět: RE: c",
    "Hungarian": "Feladó: Ann\nElküldve: 2026. március 2., hétfő 10:00\nCímzett: b\nTárgy: RE: c",
    "Turkish": "Kimden: Ann\nGönderildi: 2 Mart 2026 Pazartesi 10:00\nKime: b\nKonu: YNT: c",
    "Greek": "Από: Ann\nΣτάλθηκε: Δευτέρα, 2 Μαρτίου 2026 10:00\nΠρος: b\nΘέμα: c",
    "Russian": "От: Ann\nОтправлено: 2 марта 2026 г. 10:00\nКому: b\nТема: RE: c",
    "Ukrainian": "Від: Ann\nНадіслано: 2 березня 2026 р. 10:00\nКому: b\nТема: RE: c",
    "Hebrew": "\u200fמאת: Ann\n\u200fנשלח: 2 מרץ 2026\n\u200fאל: b\n\u200fנושא: c",
    "Arabic": "من: Ann\nتم الإرسال: 2 مارس 2026\nإلى: b\nالموضوع: c",
    "Japanese": "差出人: Ann\n送信日時: 2026年3月2日 10:00\n宛先: b\n件名: Re: c",
    "Chinese": "发件人：Ann\n发送时间：2026年3月2日 10:00\n收件人：b\n主题：答复: c",
    "Traditional Chinese": "寄件者: Ann\n寄件日期: 2026年3月2日 10:00\n收件者: b\n主旨: RE: c",
    "Korean": "보낸 사람: Ann\n보낸 날짜: 2026년 3월 2일 월요일 10:00\n받는 사람: b\n제목: RE: c",
    "a phone": "From: Ann\nSent: Monday, March 2, 2026 10:00\nSubject: Re: c",
    "a forwarded mail": "Subject: c\nDate: Mon, 2 Mar 2026 10:00\nFrom: Ann\nTo: b",
    "bold names": "**From:** Ann\n**Sent:** Monday\n**To:** b\n**Subject:** c",
    "bold names without colons": "*From*: Ann\n*Date*: Monday\n*To*: b\n*Subject*: c",
    "HTML": "<b>From:</b> Ann<br>\n<b>Sent:</b> Monday<br>\n<b>To:</b> b<br>\n<b>Subject:</b> c",
    "many addressees": "From: Ann\nTo: b@example.org;\n c@example.org;\n d@example.org\nSubject: c",
    "empty lines": "From: Ann\n\nSent: Monday\n\nTo: b\n\nSubject: c",
    "hidden addresses": "From: Ann ***@***.***>\nSent: Monday\nTo: acme/anvil ***@***.***>\nSubject: Re: c",
}
INTRODUCTIONS = [
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "-----Message d'origine-----",
    "-----Исходное сообщение-----",
    "On Mon, Mar 2, 2026 at 10:00 AM Ann ***@***.***> wrote:",
    "On Mon, Mar 2, 2026 at 10:00 AM Ann Example\n<ann@example.org> wrote:",
    "Am 02.03.2026 um 10:00 schrieb Ann <ann@example.org>:",
    "Le lun. 2 mars 2026 à 10:00, Ann <ann@example.org> a écrit\u00a0:",
    "El lun, 2 mar 2026 a las 10:00, Ann (<ann@example.org>) escribió:",
    "Il giorno lun 2 mar 2026 alle ore 10:00 Ann <ann@example.org> ha scritto:",
    "Op ma 2 mrt 2026 om 10:00 schreef Ann <ann@example.org>:",
    "pon., 2 mar 2026 o 10:00 Ann <ann@example.org> napisał(a):",
    "2 марта 2026 г., в 10:00, Ann <ann@example.org> написал(а):",
    "Ann <ann@example.org> 于2026年3月2日周一 10:00写道：",
]
SEPARATORS = ["", "________________________________\n", "-----Original Message-----\n", "-----\n\n", "\n\n"]


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_a_mail_that_begins_with_its_header_fields_is_left_out(header: str, end: str) -> None:
    text = f"{OWN}\n________________________________\n{header}\n{REPEATED}".replace("\n", end)

    assert without_repeated_mail(text) == OWN.replace("\n", end)


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_a_mail_after_an_introduction_is_left_out(introduction: str) -> None:
    assert without_repeated_mail(f"{OWN}\n{introduction}\n{REPEATED}") == OWN


@given(
    header=st.sampled_from([*HEADERS.values()]),
    separator=st.sampled_from(SEPARATORS),
    ornament=st.sampled_from(["{}", "**{}**", "\ufeff{}", "\u200f{}", "\u00a0{}", "__{}__"]),
    quotation=st.sampled_from(["Hello", "  /run x", "@bot run x", "", "From: x"]),
)
def test_no_separator_or_ornament_hides_a_mail(
    header: str, separator: str, ornament: str, quotation: str
) -> None:
    lines = [
        ornament.format(line) if not line.startswith((" ", "*", "<")) else line for line in header.split("\n")
    ]
    text = f"/status\n{separator}" + "\n".join(lines) + f"\n\n{quotation}\n/run tidy"

    assert without_repeated_mail(text).strip() == "/status"


@pytest.mark.parametrize(
    "text",
    [
        "From: main\nTo: dev\n\n/run merge",
        "Subject: the parser\nDate: today\n\n/run tidy",
        "From: Ann\n\nOne.\n\nTwo.\n\nThree.\n\nSubject: the parser\n\n/run tidy",
        "From: Ann\n/run tidy\nSubject: the parser",
        "Version: 1.2\nOS: Linux\nBrowser: Firefox\n/run tidy",
        "No: it fails\nSubject: the parser\nBetreff: egal\n\n/run tidy",  # of two languages
        "Here is the mail:\n```\nFrom: a\nTo: b\nSubject: c\n```\n/run tidy",
        "~~~\n-----Original Message-----\n~~~\n\n/run tidy",
        "Mail:\n\n    From: a\n    Subject: c\n\n/run tidy",
        "> From: Ann\n> Sent: Monday\n> Subject: c\n>\n> /run tidy\n\n/cancel",
        "On Mon, Mar 2, 2026 at 10:00 AM Ann <ann@example.org> wrote:\n> /run tidy\n\n/cancel",
        "On Mon, Mar 2, 2026 at 10:00 AM Ann\n<ann@example.org> wrote:\n\n> /run tidy\n\n/cancel",
        "From: Ann\nSent: Monday\nTo: b\nSubject: c\n\n> /run tidy\n\n/cancel",
        "As I wrote in #12:\n\n/run tidy",
        "On Monday Ann wrote:\n\n/run tidy",
        "---- 1 ----\n\n/run tidy",
        "-----\n/run tidy",
    ],
)
def test_other_text_stays_unchanged(text: str) -> None:
    assert without_repeated_mail(text) == text


@pytest.mark.parametrize(
    "introduction", ["2 mar 2026 Ann napisał(a):", "pon., 2 mar 2026 Ann\n<ann@example.org> napisał(a):"]
)
def test_the_line_before_an_introduction_is_not_part_of_it(introduction: str) -> None:
    assert without_repeated_mail(f"/cancel\n{introduction}\n/run tidy") == "/cancel\n"


def test_a_mail_after_a_quoted_one_is_left_out() -> None:
    quoted = "On Mon, Mar 2, 2026 at 10:00 AM Ann <ann@example.org> wrote:\n> Hello.\n\n/cancel"

    assert without_repeated_mail(f"{quoted}\n\n{HEADERS['German']}\n\n/run tidy") == f"{quoted}\n"


@given(st.text(alphabet="From:Subjectno \n>*_-/`~wrteO1,\u00a0\uff1a", max_size=200))
def test_the_result_is_the_beginning_of_the_text(text: str) -> None:
    assert text.startswith(without_repeated_mail(text))
