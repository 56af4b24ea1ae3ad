"""The pictures of a run, in a directory of their own, with a page to look at them all."""

import html
import os


class Pictures:
    def __init__(self, directory):
        self.directory = directory
        self._taken = {}  # files and captions, by what they are of
        if directory is not None:
            os.makedirs(directory, exist_ok=True)
            # Those of an earlier run would tell of an earlier page.
            for name in os.listdir(directory):
                if name.endswith(".png") or name == "index.html":
                    os.remove(os.path.join(directory, name))

    def take(self, browser, of, name, note=""):
        """One of the page as it is now; `of` has a name for files and a title as its text, the note tells what cannot be seen."""
        if self.directory is None:
            return
        taken = self._taken.setdefault((of.name, str(of)), [])
        file = f"{of.name}-{len(taken) + 1:02}-{name}.png"
        browser.screenshot(os.path.join(self.directory, file))
        taken.append((file, name.replace("-", " ") + (f": {note}" if note else "")))

    def index(self):
        """Writes the page and returns where it is."""
        if self.directory is None:
            return None
        parts = [HEAD]
        for (_, title), taken in self._taken.items():
            parts.append(f"<h2>{html.escape(title)}</h2>\n<div>")
            for file, caption in taken:
                picture = f'<a href="{file}"><img src="{file}" alt=""></a>'
                parts.append(f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>")
            parts.append("</div>")
        path = os.path.join(self.directory, "index.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(parts) + "\n")
        return path


HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The sample app in a browser</title>
<style>
body { margin: 2rem; font: 1rem/1.5 system-ui, sans-serif; }
div { display: grid; grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; overflow-wrap: anywhere; }
img { width: 100%; border: 1px solid #ccc; border-radius: 6px; }
</style>
<h1>The sample app in a browser</h1>"""
