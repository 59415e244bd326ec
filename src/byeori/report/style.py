"""How pages look: one style sheet, colours as variables for light and dark.

Invariants: nothing is fetched; every text colour stands out by 4.5:1 or more from what it stands on, in both schemes (a test
computes it from the variables); what has the keyboard's focus shows it; on paper, what was folded away is open.

    f"<style>{STYLE}</style>"
"""

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b2330;--soft:#566173;--line:#d5dae2;--card:#f5f7fa;
--accent:#0b5cad;--rgb:11,92,173;--warm:190,120,0;--good:#17693a;--bad:#a8201a;--open:#7a5200}
@media(prefers-color-scheme:dark){:root{--bg:#13171e;--fg:#e7eaf0;--soft:#a9b3c2;--line:#353d4a;--card:#1b212b;
--accent:#7bb8ff;--rgb:80,150,235;--warm:215,150,40;--good:#6fd39a;--bad:#ff9a92;--open:#f0c060}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--fg);overflow-wrap:anywhere;
font:16px/1.55 system-ui,"Noto Sans KR","Noto Sans CJK KR","Apple SD Gothic Neo","Malgun Gothic",sans-serif}
:lang(ko){word-break:keep-all}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
h1{font-size:1.7rem;line-height:1.25;margin:0}
h2{font-size:1.2rem;margin:2.6rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.6rem 0 .4rem}h4{font-size:1rem;margin:0}p{margin:.5rem 0}ul{padding-left:1.2rem}
.soft{color:var(--soft)}
.verdict{margin:1.2rem 0;padding:.9rem 1.1rem;background:var(--card);border-left:5px solid var(--soft);
font-size:1.08rem}
.better,.ready{border-color:var(--good)}.worse,.stop{border-color:var(--bad)}.open,.look{border-color:var(--open)}
.verdict b{margin-right:.3rem}
nav{font-size:.92rem;display:flex;flex-wrap:wrap;gap:.2rem 1rem}nav a{color:var(--accent)}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0;min-width:min(100%,26rem);font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;
overflow-wrap:break-word}
thead th{color:var(--soft);font-weight:600;white-space:nowrap}tbody th{font-weight:500}
.n{text-align:right;white-space:nowrap}
.matrix td{text-align:right;min-width:3.4rem;background:rgba(var(--rgb),var(--p,0))}.matrix .same{font-weight:700}
.yes,.no{white-space:nowrap;color:var(--good)}.no{color:var(--bad)}
svg{display:block;width:100%;min-width:34rem;max-width:44rem;height:auto;margin:.4rem 0}
svg text{fill:var(--soft);font-size:12px}svg .strong{fill:var(--fg);font-weight:600}.grid{stroke:var(--line)}
.line{fill:none;stroke-width:2}.s0{stroke:var(--accent)}.s1{stroke:var(--open);stroke-dasharray:7 4}
.dot{fill:var(--accent)}.dot.s1{fill:var(--open);stroke:none}svg .k0{fill:var(--accent)}svg .k1{fill:var(--open)}
.mark{fill:none;stroke:var(--fg);stroke-width:2}.cloud{fill:var(--accent);fill-opacity:.45}
.half svg{min-width:0;max-width:25rem}.bars svg{min-width:26rem}
.bar{fill:var(--accent)}.pale{fill-opacity:.5}.b1{fill:var(--open)}.b2{fill:var(--good)}
.rule{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 3}.span{stroke:var(--fg);stroke-width:1.5}
svg .word{fill:var(--fg)}svg .tag{font-size:10.5px}
pre{padding:.8rem 1rem;background:var(--card);overflow-x:auto;white-space:pre-wrap}pre code{user-select:all}
code{font-family:ui-monospace,Consolas,monospace;font-size:.92em}
summary{cursor:pointer;color:var(--accent);width:fit-content;font-size:.92rem}details{margin-top:.35rem}
article{margin:.8rem 0;padding:.7rem 1rem .75rem;background:var(--card);border-left:4px solid var(--soft);break-inside:avoid}
article h4 small{font-weight:400;color:var(--soft);font-size:.88rem;margin-left:.4rem}
article p{margin:.3rem 0}.do::before{content:"→ ";color:var(--soft)}
article details table{margin:.4rem 0;background:var(--bg);width:100%}
.text{white-space:pre-wrap;display:block}.text+.text{margin-top:.35rem;padding-top:.35rem;border-top:1px dotted var(--line)}
mark{color:inherit;background:rgba(var(--rgb),var(--p,0));border-radius:3px}
mark.up{background:rgba(var(--warm),var(--p,0));text-decoration:underline dotted}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:.4rem 1.2rem}
.plots figure{margin:0;break-inside:avoid}figcaption{color:var(--soft);font-size:.92rem}
.steps td{min-width:12rem;max-width:22rem}.steps p,.watch p{margin:.15rem 0}
.watch td{min-width:7.5rem;max-width:20rem}.watch td:first-of-type{min-width:14rem}.slices tbody th{white-space:nowrap}
@media print{:root{--bg:#fff;--fg:#000;--soft:#444;--line:#bbb;--card:#f5f5f5;--accent:#0b5cad;--rgb:11,92,173;--good:#17693a;
--bad:#a8201a;--open:#7a5200;--warm:190,120,0}body{max-width:none;padding:0;font-size:11pt}
nav{display:none}details::details-content{content-visibility:visible;block-size:auto;height:auto}h2,h3,h4{break-after:avoid}
.wide{overflow:visible}svg{min-width:0}}
"""
