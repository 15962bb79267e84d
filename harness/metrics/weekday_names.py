"""The names of the days of the week, as they stand beside dates in the languages whose months are known."""

import re
import unicodedata

_NAMES = (
    # English, German, French
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
    # Spanish, Portuguese, Italian, Romanian, Catalan
    "lunes martes miércoles jueves viernes sábado domingo lun mar mié jue vie sáb dom",
    "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
    "segunda terça quarta quinta sexta seg ter qua qui sex sáb dom",
    "lunedì martedì mercoledì giovedì venerdì sabato domenica lun mar mer gio ven sab dom",
    "luni marți miercuri joi vineri sâmbătă duminică lun mar mie joi vin sâm dum",
    "dilluns dimarts dimecres dijous divendres dissabte diumenge dl dt dc dj dv ds dg",
    # Dutch, Indonesian
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma di wo do vr za zo",
    "senin selasa rabu kamis jumat sabtu minggu sen sel rab kam jum sab min",
    # Swedish, Danish, Norwegian
    "måndag tisdag onsdag torsdag fredag lördag söndag mån tis ons tors tor fre lör sön",
    "mandag tirsdag onsdag torsdag fredag lørdag søndag man tir ons tor tors fre lør søn",
    # Finnish, Estonian, Hungarian, Turkish
    "maanantaina tiistaina keskiviikkona torstaina perjantaina lauantaina sunnuntaina ma ti ke to pe la su",
    "maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai",
    "esmaspäev teisipäev kolmapäev neljapäev reede laupäev pühapäev",
    "hétfő kedd szerda csütörtök péntek szombat vasárnap",
    "pazartesi salı çarşamba perşembe cuma cumartesi pazar pzt sal çar per cum cmt paz",
    # Polish, Czech, Slovak, Slovenian
    "poniedziałek wtorek środa czwartek piątek sobota niedziela pon wt śr czw pt sob niedz",
    "pondělí úterý středa čtvrtek pátek sobota neděle po út st čt pá so ne",
    "pondelok utorok streda štvrtok piatok sobota nedeľa",
    "ponedeljek torek sreda četrtek petek sobota nedelja",
    # Russian, Ukrainian, Bulgarian, Greek
    "понедельник вторник среда четверг пятница суббота воскресенье пн вт ср чт пт сб вс",
    "понеділок вівторок середа четвер п'ятниця п’ятниця субота неділя пн вт ср чт пт сб нд",
    "понеделник вторник сряда четвъртък петък събота неделя",
    "δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή δευ τρι τετ πεμ παρ σαβ κυρ",
    # Chinese, Japanese, Korean
    "星期一 星期二 星期三 星期四 星期五 星期六 星期日 星期天 周一 周二 周三 周四 周五 周六 周日",
    "月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日 月 火 水 木 金 土 日 一 二 三 四 五 六",
    "월요일 화요일 수요일 목요일 금요일 토요일 일요일 월 화 수 목 금 토 일",
)

_BEFORE = re.compile(r"(?P<name>[^\W\d_][^\d\s,.]*)[.,]{0,2} (?=\w)")
_BEHIND = re.compile(r"(?:, ?| ?[(（]|(?<=[日일]) ?| )(?P<name>[^\W\d_][^\d\s,.()（）]*)\.?[)）]?")


def without_weekday(text: str) -> str:
    """The text without the name of a day of the week at its beginning (`Mon 3 Mar 24`, `Freitag, 15.3.2024`)
    or end (`2024年3月15日(金)`), in any case, with its accents or without; any other text as it is."""
    before = _BEFORE.match(text)
    if before is not None and _plain(before["name"]) in _KNOWN:
        return text[before.end() :]
    if text and not text[-1].isdecimal():
        for behind in _BEHIND.finditer(text):
            if behind.end() == len(text) and _plain(behind["name"]) in _KNOWN:
                return text[: behind.start()]
    return text


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFD", name.lower().replace("ı", "i"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


_KNOWN = frozenset(_plain(name) for names in _NAMES for name in names.split())
