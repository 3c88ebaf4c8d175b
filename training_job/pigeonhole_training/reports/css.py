"""The page's style sheet: a phone first, light and dark, and print."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #fff; --raised: #f6f7f8; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4;
  --faint: #7f8893; --link: #0a58ca;
  --series-1: #0072b2; --series-2: #c14f00; --series-3: #007f5c; --series-4: #9b3f8f;
  --good: #0b6b3a; --warning: #8a5300; --bad: #b3261e; --info: #0a58ca;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --raised: #1e2329; --ink: #e7ebef; --soft: #a3acb6; --line: #343b43;
    --faint: #7d8894; --link: #8ab8ff;
    --series-1: #56b4e9; --series-2: #ff9a4d; --series-3: #3ecf9f; --series-4: #e59bd6;
    --good: #5bd491; --warning: #f2b45c; --bad: #ff8a80; --info: #8ab8ff;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: anywhere;
}
h1, h2, h3, h4 { line-height: 1.2; text-wrap: balance; }
h1 { font-size: 1.8rem; margin: 0 0 .3rem; }
h2 { font-size: 1.4rem; margin: 3rem 0 1rem; padding-top: 1rem; border-top: 2px solid var(--line); }
h3 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
h4 { font-size: 1rem; margin: .2rem 0 .5rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
a { color: var(--link); }
code { font-size: .9em; }
small { color: var(--soft); font-size: .8rem; line-height: 1.3; display: block; }
header p { margin: 0; color: var(--soft); }
nav ul {
  display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; margin: 1rem 0 0; padding: 0;
}
nav a {
  display: block; padding: .4rem .9rem; border: 1px solid var(--line); border-radius: 2rem;
  text-decoration: none;
}
nav a:hover { background: var(--raised); }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; }
#summary h2 { border: 0; margin: 0; padding: 0; position: absolute; clip-path: inset(50%); }
#summary { margin-top: 1.5rem; }
.lead { font-size: 1.2rem; line-height: 1.45; max-width: 52rem; }
.remarks { list-style: none; padding: 0; margin: 1rem 0; max-width: 52rem; }
.remarks li, .note {
  border-left: 4px solid var(--tone); background: var(--raised); border-radius: 0 .4rem .4rem 0;
  padding: .55rem .8rem; margin: .5rem 0; max-width: 52rem;
}
.note strong { color: var(--tone); margin-right: .25rem; }
.good { --tone: var(--good); } .info { --tone: var(--info); }
.warning { --tone: var(--warning); } .bad { --tone: var(--bad); }
.do { color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 1rem; }
.tiles div {
  background: var(--raised); border-radius: .5rem; padding: .6rem .9rem; flex: 1 1 8.5rem;
  max-width: 16rem;
}
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures {
  display: grid; gap: 1.5rem 2rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr));
}
.figures > div { min-width: 0; }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 34rem; margin-top: .3rem; }
.chart {
  display: block; width: 100%; height: auto; max-width: 28rem; font-family: inherit;
  stroke-linejoin: round; stroke-linecap: butt;
}
.scroll { overflow-x: auto; max-width: 100%; margin: .5rem 0 1rem; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
th, td { overflow-wrap: break-word; }
tbody th { min-width: 5.5rem; }
@media (min-width: 40rem) { tbody th { min-width: 8rem; } }
td.n, th.n { text-align: right; white-space: nowrap; }
tbody th { font-weight: 400; }
.matrix { font-size: .8rem; border-collapse: separate; border-spacing: 1px; }
.matrix td, .matrix th { border: 0; padding: .3rem .35rem; text-align: center; }
table.matrix tbody th {
  min-width: 0; text-align: right; white-space: nowrap;
  position: sticky; left: 0; background: var(--ground);
}
.matrix thead th { vertical-align: bottom; }
.matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.matrix td { min-width: 2.4rem; border-radius: .2rem; background: var(--raised); }
.matrix .none { color: var(--faint); }
.matrix .right, .matrix .wrong {
  background: color-mix(in oklab, var(--hue) calc(12% + var(--share) * .55), var(--ground));
}
.matrix .right { --hue: var(--series-1); } .matrix .wrong { --hue: var(--series-2); }
.hidden { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
.cards {
  list-style: none; padding: 0; margin: .5rem 0 1rem; display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
}
.cards > li {
  background: var(--raised); border-radius: .5rem; padding: .7rem; display: flex; gap: .8rem;
  align-items: flex-start; flex-wrap: wrap; break-inside: avoid;
}
.small { grid-template-columns: repeat(auto-fill, minmax(8.6rem, 1fr)); }
.small > li { display: block; }
.small img { margin: 0 auto .4rem; }
.cards > li > div { flex: 1 1 9rem; min-width: 0; }
.cards h4 { flex: 1 0 100%; margin: 0; }
.cards p { margin: 0 0 .4rem; }
.sample { display: flex; gap: .8rem; align-items: flex-start; flex-wrap: wrap; }
.strip { display: flex; flex-wrap: wrap; gap: 3px; flex: 1 1 0; min-width: 9rem; }
.mean { text-align: center; }
img { display: block; max-width: 100%; border-radius: .2rem; background: #8884; flex: none; }
img.pixels { image-rendering: pixelated; }
.bars { list-style: none; padding: 0; margin: 0 0 .4rem; }
.bar {
  display: block; font-size: .85rem; padding: .05rem .4rem; margin: 2px 0; border-radius: .2rem;
  background: linear-gradient(to right,
    color-mix(in oklab, var(--hue, var(--faint)) 38%, var(--ground)) var(--share), transparent 0)
    var(--ground);
}
.bars li:first-child .bar { --hue: var(--series-2); }
.bars .truth .bar { --hue: var(--series-1); font-weight: 600; }
details { margin: .5rem 0 1rem; }
summary { cursor: pointer; color: var(--link); }
footer { margin-top: 3rem; border-top: 2px solid var(--line); color: var(--soft); }
@media print {
  :root { color-scheme: light; --ink: #000; }
  html { font-size: 11px; }
  body { max-width: none; padding: 0; }
  nav, .skip { display: none; }
  details::details-content { content-visibility: visible; height: auto; }
  .scroll { overflow: visible; }
  figure, table, .note, .tiles div { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
