"""Small charts as SVG: bars, and curves over a logarithmic x."""
import math
from xml.sax.saxutils import escape

WIDTH, BAR, TOP, LEFT, RIGHT, CURVE_HEIGHT = 720, 22, 34, 170, 90, 300
STYLE = ("<style>text{font:12px sans-serif;fill:#555}.t{font-weight:bold}"
         ".b0,.d0{fill:#3b76af}.c0{stroke:#3b76af}.b1,.d1{fill:#c8752d}.c1{stroke:#c8752d}"
         ".b2,.d2{fill:#4c8c4a}.c2{stroke:#4c8c4a}polyline{fill:none;stroke-width:2}"
         ".g{stroke:#bbb;stroke-width:.5}</style>")


def document(height, title, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}">{STYLE}'
            f'<text class="t" x="8" y="18">{escape(title)}</text>{"".join(body)}</svg>\n')


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'


def bars(title, values):
    """`values`: [(label, number, what stands behind the bar)]."""
    most = max(number for _, number, _ in values) or 1
    body = []
    for i, (label, number, words) in enumerate(values):
        y = TOP + i * BAR
        width = (WIDTH - LEFT - RIGHT - 60) * number / most
        body += [text(LEFT - 8, y + 14, label, "end"),
                 f'<rect class="b0" x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="15"/>',
                 text(LEFT + width + 6, y + 14, words)]
    return document(TOP + len(values) * BAR + 8, title, body)


def short(number):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:g} {unit}"
    return f"{number:g}"


def curves(title, x_name, lines):
    """`lines`: {name: [(x, y)]}; the y axis begins at 0."""
    points = [point for line in lines.values() for point in line]
    low, high = (math.log10(end(x for x, _ in points)) for end in (min, max))
    most = max(y for _, y in points) * 1.1 or 1
    left, bottom, room = 60, CURVE_HEIGHT - 50, WIDTH - 60 - 150

    def place(x, y):
        share = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return left + room * share, bottom - (bottom - TOP) * y / most
    body = []
    for part in range(5):
        y = most * part / 4
        at = place(10 ** low, y)[1]
        body += [f'<line class="g" x1="{left}" x2="{left + room}" y1="{at:.1f}" y2="{at:.1f}"/>',
                 text(left - 6, at + 4, short(float(f"{y:.2g}")), "end")]
    body += [text(place(x, 0)[0], bottom + 18, short(float(f"{x:.3g}")), "middle")
             for x in sorted({x for x, _ in points})]
    body.append(text(left + room / 2, bottom + 38, x_name, "middle"))
    for i, (name, line) in enumerate(lines.items()):
        places = [place(x, y) for x, y in line]
        body.append(f'<polyline class="c{i}" points="'
                    + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        body += [f'<circle class="d{i}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
        body += [f'<rect class="b{i}" x="{left + room + 16}" y="{TOP + i * 20}" width="10" '
                 'height="10"/>', text(left + room + 32, TOP + 10 + i * 20, name)]
    return document(CURVE_HEIGHT, title, body)
