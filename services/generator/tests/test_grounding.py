import pytest
from outlines import outline

from hone_generator.artifacts.kind import Name, Outline
from hone_generator.validators.grounding import check_grounding

REQUIREMENTS = (
    "Each member has a name, a date of birth and many loans of books. A clerk can cancel a reservation."
)


def test_what_the_requirements_speak_of_is_grounded_in_any_form() -> None:
    names = (
        "Member",
        "LibraryMember",
        "Loan",
        "BookLoan",
        "member:dateOfBirth",
        "action:cancelReservation",
    )
    verdict = check_grounding(
        outline(*names, "participant:Clerk", "state:Cancelled", "state:reserved"), REQUIREMENTS, None
    )
    assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())


def test_an_invented_thing_weighs_more_than_an_invented_property() -> None:
    one_type = check_grounding(outline("Member", "Loan", "Spaceship", "member:name"), REQUIREMENTS, None)
    one_member = check_grounding(
        outline("Member", "Loan", "member:name", "member:wingspan"), REQUIREMENTS, None
    )
    assert one_type.score < one_member.score < 100
    assert one_type.messages == (
        '"Spaceship" is nowhere in the requirements: take it out, or use their name',
    )
    assert '"wingspan" is nowhere' in one_member.messages[0]


def test_inventions_are_told_with_their_line_the_gravest_first() -> None:
    names = (Name("wingspan", "member", 3), Name("Spaceship", "type", 7))
    said = check_grounding(Outline(names), REQUIREMENTS, None).messages
    assert [message.split('"')[:2] for message in said] == [
        ["line 7: ", "Spaceship"],
        ["line 3: ", "wingspan"],
    ]


def test_an_artifact_that_is_mostly_invented_does_not_pass() -> None:
    verdict = check_grounding(outline("Spaceship", "Planet", "Member"), REQUIREMENTS, None)
    assert not verdict.passed


def test_an_author_is_not_taken_for_authentication() -> None:
    found = check_grounding(outline("Member", "member:author"), REQUIREMENTS, None)
    assert any('"author"' in message for message in found.messages)


def test_conventional_names_are_nobodys_invention_but_a_table_of_them_is() -> None:
    members = (
        "member:id",
        "member:created_at",
        "member:updated_at",
        "member:status",
        "member:member_id",
        "member:is_active",
    )
    assert check_grounding(outline("Member", *members), REQUIREMENTS, None).score == 100
    assert check_grounding(outline("Member", "Status"), REQUIREMENTS, None).score == 50


def test_what_convention_derives_is_not_counted() -> None:
    names = (Name("Member", "type"), Name("warp_drive_id", "member", derived=True))
    assert check_grounding(Outline(names), REQUIREMENTS, None).score == 100


def test_the_projects_context_is_ground_too() -> None:
    parts = outline("Member", "Spaceship")
    assert check_grounding(parts, REQUIREMENTS, None).score < 100
    assert check_grounding(parts, REQUIREMENTS, "class Spaceship: ...").score == 100


@pytest.mark.parametrize(
    "leftover",
    [
        "WeatherForecast",
        "weather_forecasts",
        "action:getWeatherForecast",
        "Petstore",
        "prose:Swagger Petstore",
        "TodoItem",
        "todo_list",
        "prose:Lorem ipsum dolor",
        "prose:John Doe",
        "participant:Jane Smith",
        "foo",
        "member:bar",
        "MyClass",
        "ExampleEntity",
        "prose:mail to info@example.com",
        "prose:Contoso Ltd",
        "Table1",
        "member:field_a",
        "prose:Hello, World!",
    ],
)
def test_what_templates_leave_behind_is_found_by_name(leftover: str) -> None:
    verdict = check_grounding(outline("Member", leftover), REQUIREMENTS, None)
    assert not verdict.passed
    assert "is left over from a template" in verdict.messages[0]
    assert verdict.score <= 75


@pytest.mark.parametrize(
    ("name", "requirements"),
    [
        ("WeatherForecast", "Each station has many weather forecasts."),
        ("TodoItem", "A user has many todo items."),
        ("Pet", "Each pet has an owner."),
        ("prose:write to help@example.com", "Users write to help@example.com for help."),
        ("Bar", "Each bar has many seats."),
        ("Barcode", "Each book has a barcode."),
        ("Football", "Each football club has a name."),
        ("Statement", "Each account has a statement."),
    ],
)
def test_what_the_requirements_ask_for_is_no_leftover(name: str, requirements: str) -> None:
    verdict = check_grounding(outline(name), requirements, None)
    assert verdict.passed, verdict.messages


def test_nothing_invents_nothing() -> None:
    assert check_grounding(outline(), REQUIREMENTS, None).score == 100
