"""The style of HTML documents; it stands in the page itself."""

CSS = """\
:root { color-scheme: light; --ink: #1c2430; --soft: #5d6b7a; --line: #dfe4ea; --ground: #f6f7f9;
  --blue: #0072b2; --green: #00795a; --red: #b84a00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { background: #14263b; color: #fff;
  padding: 2.2rem max(1.5rem, calc(50% - 560px)) 1.6rem; }
header h1 { margin: 0 0 .3rem; font-size: 1.75rem; letter-spacing: -.01em; }
header p { margin: 0; color: #bccadb; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; background: #fff;
  border-bottom: 1px solid var(--line);
  padding: .6rem max(1.5rem, calc(50% - 560px)); font-size: .88rem; }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
main { max-width: 1120px; margin: 0 auto; padding: 0 0 4rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.5rem 1.4rem;
  margin: 1.4rem 1rem 0; }
h2 { font-size: 1.18rem; margin: .1rem 0 .8rem; }
p { max-width: 46rem; margin: .5rem 0 .9rem; }
.warning { border-left: 4px solid #e0a100; background: #fff8e2; padding: .6rem .9rem;
  max-width: none; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line);
  white-space: nowrap; vertical-align: bottom; }
th, td { padding: .3rem .62rem; text-align: right; vertical-align: top; }
td { border-bottom: 1px solid #edf0f3; overflow-wrap: break-word; min-width: 4.5rem; }
th:first-child, td:first-child { text-align: left; padding-left: .3rem; white-space: nowrap; }
.strong td { background: #eaf3fa; font-weight: 600; }
figure { margin: .6rem 0 1rem; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .84rem; margin-top: .25rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: .9rem;
  margin: .4rem 0 1.1rem; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .95rem;
  background: #fbfcfd; }
.tile span, .tile small { display: block; color: var(--soft); font-size: .82rem; }
.tile strong { display: block; font-size: 1.65rem; line-height: 1.35; letter-spacing: -.01em; }
.cards { display: grid; gap: 1rem; }
article { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem .4rem;
  overflow-wrap: anywhere; }
article h3 { font-size: 1rem; margin: 0; }
article p { max-width: none; color: var(--soft); font-size: .84rem; margin: .15rem 0 .4rem; }
.good, .bad { color: #fff; border-radius: 99px; padding: .08rem .55rem; font-size: .74rem;
  font-weight: 600; vertical-align: .1em; }
.good { background: var(--green); }
.bad { background: var(--red); }
.panels { display: grid; grid-template-columns: repeat(3, 1fr); gap: .6rem; }
.panels figure { margin: .2rem 0 .5rem; }
.panels img { width: 100%; border-radius: 4px; }
@media (max-width: 560px) { .panels { grid-template-columns: 1fr; } }
@media print { nav { display: none; } section { break-inside: avoid; } }
"""
