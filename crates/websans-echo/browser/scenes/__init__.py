"""What the scenes share. A scene is played on every stage, leaves pictures of the page, and raises AssertionError."""

SCENES = []


def scene(function):
    """Registers a scene; they are played in the order of the files and of the functions in them."""
    SCENES.append(function)
    return function


def scene_with_link(function):
    """The same for one that needs a real link, which there cannot be everywhere."""
    function.needs_link = True
    return scene(function)
