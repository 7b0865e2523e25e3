"""How the customer's page looks: its frame and its style, in the page itself so that nothing else has to load first."""

from __future__ import annotations

from string import Template
from typing import Final

PAGE: Final = Template("""<!doctype html>
<html lang="$lang" data-zone="$zone">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ground: #f3f5f2; --card: #fff; --ink: #16211c; --quiet: #4a5750; --mark: #0b6b4a; --onmark: #fff;
  --line: #d5dcd7; --edge: #7c8a83; --soft: #e7f3ed; --bad: #a1260d; --badsoft: #fdece8; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f1412; --card: #18201c; --ink: #edf2ef; --quiet: #a9b7af; --mark: #5fd3a5; --onmark: #06281b;
    --line: #2c3731; --edge: #7d8b84; --soft: #173226; --bad: #ff9d87; --badsoft: #3a1c15; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main, footer { max-width: 38rem; margin: 0 auto; padding: 0 1rem; }
main { padding-top: 1.25rem; display: grid; gap: .875rem; }
.fleet { margin: 0; font-weight: 650; letter-spacing: .01em; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .875rem; padding: 1.25rem; min-width: 0; }
h1 { margin: 0 0 .25rem; font-size: clamp(1.6rem, 7vw, 2.25rem); line-height: 1.15; color: var(--mark); overflow-wrap: anywhere; }
[data-stage=failed] h1, [data-stage=cancelled] h1 { color: var(--bad); }
h2 { margin: 0 0 .5rem; font-size: 1.125rem; }
h3 { margin: 0 0 .25rem; font-size: 1.0625rem; }
p { margin: .25rem 0; }
#detail { font-size: 1.125rem; }
.before { color: var(--quiet); }
.late { background: var(--badsoft); color: var(--bad); border-radius: .5rem; padding: .5rem .75rem; margin-top: .75rem; }
#steps, .way { list-style: none; display: grid; gap: .375rem; margin: 1.25rem 0 0; padding: 0; }
#steps { grid-template-columns: repeat(4, minmax(min-content, 1fr)); }
@media (max-width: 26rem) { #steps { gap: .25rem; } #steps li { font-size: .75rem !important; letter-spacing: -.01em; } }
#steps li, .way li { font-size: .875rem; line-height: 1.3; border-top: .375rem solid var(--line); padding-top: .375rem; color: var(--quiet);
  overflow-wrap: anywhere; hyphens: auto; }
#steps li { overflow-wrap: break-word; hyphens: manual; }
.way { grid-template-columns: repeat(3, 1fr); margin: .5rem 0; }
#steps li.past, .way li.past { border-color: var(--mark); }
li[aria-current] { color: var(--ink) !important; font-weight: 650; }
#map { height: 18rem; border-radius: .875rem; overflow: hidden; border: 1px solid var(--line); }
#map[hidden], #map[hidden] + p { display: none; }
#talk:empty, #cases:empty { display: none; }
.flash { background: var(--soft); border: 1px solid var(--mark); border-radius: .875rem; padding: .75rem 1rem; margin: 0; }
.flash.no { background: var(--badsoft); border-color: var(--bad); color: var(--bad); }
.folds { padding: 0 1.25rem; }
details + details { border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .875rem 0; font-weight: 600; list-style: none; display: flex; justify-content: space-between;
  gap: 1rem; }
summary::-webkit-details-marker { display: none; }
summary::after { content: ""; flex: none; width: .55rem; height: .55rem; margin: .4rem .25rem 0; border: solid var(--quiet);
  border-width: 0 2px 2px 0; transform: rotate(45deg); }
details[open] > summary::after { transform: rotate(225deg); margin-top: .7rem; }
details[open] { padding-bottom: 1.125rem; }
form { display: grid; gap: .75rem; margin: .25rem 0; }
fieldset { border: 0; margin: 0; padding: 0; display: grid; gap: .25rem; min-width: 0; }
fieldset.row { display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
legend { padding: 0; margin-bottom: .25rem; }
label { display: grid; gap: .25rem; }
label.check, label.star { display: flex; gap: .625rem; align-items: baseline; padding: .375rem 0; min-height: 2rem; }
input:not([type=checkbox]):not([type=radio]), textarea, select { font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--edge); border-radius: .5rem; padding: .625rem .75rem; width: 100%; min-width: 0; }
input[type=checkbox], input[type=radio] { accent-color: var(--mark);
  width: 1.15rem; height: 1.15rem; flex: none; position: relative; top: .15rem; }
button { font: inherit; font-weight: 650; background: var(--mark); color: var(--onmark); border: 2px solid var(--mark);
  border-radius: .625rem; padding: .625rem 1rem; min-height: 2.75rem; cursor: pointer; }
button.quiet { background: transparent; color: var(--mark); }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
form + form { margin-top: .75rem; }
.green { display: block; color: var(--mark); font-size: .9375rem; }
.hide { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
figure { margin: .5rem 0; } figure img { max-width: 100%; max-height: 20rem; border-radius: .5rem; background: #fff; display: block; }
figcaption, .note, footer { color: var(--quiet); font-size: .9375rem; }
.line { border-radius: .75rem; padding: .5rem .75rem; background: var(--ground); margin: .375rem 0; overflow-wrap: anywhere; }
.line.customer { background: var(--soft); margin-left: 2rem; }
.case + .case { border-top: 1px solid var(--line); margin-top: .75rem; padding-top: .75rem; }
a { color: var(--mark); }
footer { padding: 1rem 1rem 2.5rem; }
</style>
$head
</head>
<body>
<main>
$fleet
$body
</main>
<footer>
$foot
</footer>
</body>
</html>
""")
