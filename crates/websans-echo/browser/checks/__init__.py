"""What the checks share. A check is a function of a freshly loaded page that raises AssertionError."""

CHECKS = []

# Sends `count` messages within one task of the page.
MANY = """
const [count, prefix] = arguments;
for (let i = 0; i < count; i++) {
  document.getElementById('message').value = `${prefix}${i}`;
  document.getElementById('compose').requestSubmit();
}
"""


def check(function):
    """Registers a check; they run in the order of the files and of the functions in them."""
    CHECKS.append(function)
    return function


def equal(actual, expected):
    assert actual == expected, f"{actual!r} instead of {expected!r}"


def contains(text, *parts):
    for part in parts:
        assert part in text, f"{text!r} lacks {part!r}"


def complaint_at(page, field):
    """The field is marked invalid, refers to a visible alert that says why, and has the focus."""
    found = page.script(
        "const field = document.getElementById(arguments[0]); const error = document.getElementById(`${field.id}-error`);"
        "return [field.getAttribute('aria-invalid'), field.getAttribute('aria-describedby').split(' ').includes(error.id),"
        "  error.getAttribute('role'), error.textContent !== '' && error.checkVisibility(),"
        "  document.activeElement === field];",
        field,
    )
    equal(found, ["true", True, "alert", True, True])
