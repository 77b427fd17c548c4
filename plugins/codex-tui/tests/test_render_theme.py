"""Themes: readable, chosen as the terminal is, and the user's own with errors that say what is wrong."""

import pytest
from rich.color import Color
from rich.style import Style

from codex_plugin_sdk import ConfigError
from codex_tui.render.theme import ROLES, background_of, load_theme, themes

GROUNDS = {
    "dark": ("#000000", "#15181d", "#1e1e1e", "#282c34"),
    "light": ("#ffffff", "#fbfbf9", "#f3f3f0"),
    "high-contrast": ("#000000",),
    "high-contrast light": ("#ffffff",),
}


def contrast(one, other):
    """The contrast of two colours (any that rich can parse) by WCAG 2: 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    red, green, blue = (_linear(part / 255) for part in Color.parse(colour).get_truecolor())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part):
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def theme_of(name):
    word, _, ground = name.partition(" ")
    return load_theme(word, environ={}, background=ground or None)


@pytest.mark.parametrize("name", GROUNDS)
def test_each_role_can_be_read_on_its_ground(name):
    theme = theme_of(name)
    least = 7 if name.startswith("high") else 4.5
    for role in ROLES:
        style = theme[role]
        fore = style.color.get_truecolor().hex if style.color else theme.screen["foreground"]
        grounds = [style.bgcolor.get_truecolor().hex] if style.bgcolor else [*GROUNDS[name], theme.screen["background"]]
        for ground in grounds:
            assert contrast(fore, ground) >= least, f"{name}: {role} {fore} on {ground}"


@pytest.mark.parametrize("name", GROUNDS)
def test_the_colours_of_the_frame_can_be_read(name):
    screen = theme_of(name).screen
    for ground in ("background", "surface", "panel"):
        for role in ("foreground", "primary", "warning", "error", "success", "accent"):
            assert contrast(screen[role], screen[ground]) >= (7 if name.startswith("high") else 4.5), (role, ground)


def test_the_terminals_own_colours_are_all_that_ansi_uses():
    theme = load_theme("ansi", environ={})
    for role in ROLES:
        for colour in (theme[role].color, theme[role].bgcolor):
            assert colour is None or colour.is_default or (colour.number is not None and colour.number < 16)


def test_none_has_no_colours_but_tells_apart_what_matters():
    theme = load_theme("none", environ={})
    assert all(theme[role].color is None and theme[role].bgcolor is None for role in ROLES)
    assert theme.selection.reverse
    assert theme.error.bold
    assert theme.link.underline


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_auto_goes_by_the_background():
    assert load_theme("auto", environ={}).name == "dark"
    assert load_theme("auto", environ={"COLORFGBG": "0;15"}).name == "light"
    assert load_theme("auto", environ={"COLORFGBG": "15;default;0"}).name == "dark"
    assert load_theme("auto", environ={"COLORFGBG": "0;15"}, background="dark").name == "dark"
    assert background_of({"COLORFGBG": "nonsense"}) is None


def test_no_color_wins_over_any_name():
    assert load_theme("dark", environ={"NO_COLOR": "1"}).name == "none"
    assert load_theme("dark", environ={"NO_COLOR": ""}).name == "dark"


def test_a_theme_is_made_once():
    assert load_theme("dark", environ={}) is load_theme("auto", environ={})


def own(tmp_path, text, name="mine"):
    folder = tmp_path / "themes"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text)
    return {"CODEX_HOME": str(tmp_path)}


def test_a_theme_of_the_users_own_changes_roles_of_its_base(tmp_path):
    environ = own(tmp_path, 'base = "light"\ndescription = "Mine"\n[roles]\naccent = "bold #aabbcc"\n')
    theme = load_theme("mine", environ=environ)
    assert theme.accent == Style.parse("bold #aabbcc")
    assert theme.dark is False
    assert theme.error == load_theme("light", environ={}).error
    assert list(themes(environ=environ)) == ["auto", "dark", "light", "high-contrast", "ansi", "none", "mine"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[roles]\nacent = "red"', ["mine.toml", "'acent'", "accent"]),
        ('[roles]\naccent = "blod #aabbcc"', ["mine.toml", "accent", "blod", "bold, italic"]),
        ("[roles]\naccent = 3", ["accent", "3"]),
        ('[roles]\naccent = "link http://a.b"', ["accent", "link"]),
        ('base = "drak"', ["'drak'", "dark, light"]),
        ("rolls = 1", ["'rolls'", "roles"]),
        ("roles = 1", ["roles"]),
        ("= x", ["mine.toml"]),
    ],
)
def test_what_is_wrong_in_a_theme_is_named(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load_theme("mine", environ=own(tmp_path, text))
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("name", ["nothing", "../mine", ""])
def test_a_theme_that_there_is_none_of_names_those_there_are(tmp_path, name):
    with pytest.raises(ConfigError, match="known are auto, dark, light"):
        load_theme(name, environ=own(tmp_path, ""))


@pytest.mark.anyio
@pytest.mark.parametrize("inline", [True, False])
async def test_textual_takes_each_theme_and_paints_nothing_in_inline_mode(inline):
    from textual.app import App

    from codex_tui.screen.themes import textual_theme

    made = [
        textual_theme(load_theme(name, environ={}), inline=inline)
        for name in ("dark", "light", "high-contrast", "ansi", "none")
    ]
    app = App()
    async with app.run_test(size=(20, 5)) as pilot:
        for theme in made:
            app.register_theme(theme)
            app.theme = theme.name
            await pilot.pause()
            variables = app.get_css_variables()
            painted = variables["background"] != "ansi_default"
            assert painted is (not inline and theme.name.rpartition("-")[2] in ("dark", "light", "contrast"))
            assert app.native_ansi_color is not painted
