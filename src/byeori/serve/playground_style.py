"""How the playground looks beside Gradio's own: with its theme's colours, so that light and dark follow.

Invariant: nothing in it is fetched; fonts are those of the reader's system.
"""

FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Noto Sans KR", "Noto Sans CJK KR", "Apple SD Gothic Neo",
         "Malgun Gothic", "sans-serif")  # fmt: skip
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono", "D2Coding", "monospace")

STYLE = """
.gradio-container,.gradio-container>main{width:100%!important;max-width:1120px!important;margin:0 auto!important}
.gradio-container{--by-soft:#52525b}.dark .gradio-container,.gradio-container.dark{--by-soft:#d4d4d8}
button[role=tab][aria-selected=true]{color:var(--link-text-color)!important}
footer{display:none!important}
.by-head{display:flex;align-items:baseline;gap:.6rem 1rem;flex-wrap:wrap;padding:.4rem 0}
.by-head h1{font-size:1.35rem;margin:0;font-weight:650}
.by-head nav{margin-left:auto;display:flex;gap:.9rem}
.by-head nav a{color:var(--link-text-color);text-decoration:underline;text-underline-offset:3px}
.by-head nav a[aria-current]{color:var(--body-text-color);text-decoration:none;font-weight:650}
.by-about{color:var(--by-soft);margin:.1rem 0;overflow-wrap:anywhere}
.by-out{min-height:5rem;line-height:1.6}
.by-out h4{margin:.9rem 0 .35rem;font-size:1rem;font-weight:650}
.by-out h4:first-child{margin-top:0}
.by-none{color:var(--by-soft)}
.by-value{font-size:2rem;font-variant-numeric:tabular-nums}
.by-bars{list-style:none;margin:0;padding:0}
.by-bar{display:grid;grid-template-columns:minmax(6rem,12rem) 1fr 4.6rem;gap:.7rem;align-items:center;padding:.18rem 0}
.by-label{overflow-wrap:anywhere}
.by-more{display:inline-block;margin-left:.4rem;font-size:.78em;color:var(--by-soft)}
.by-track{height:.8rem;border-radius:.4rem;background:var(--border-color-primary);overflow:hidden}
.by-track i{display:block;height:100%;border-radius:.4rem;background:#8b93a5}
.by-bar.best .by-track i{background:var(--color-accent)}
.by-bar.best .by-label{font-weight:650}
.by-score{text-align:right;font-variant-numeric:tabular-nums}
.by-text{white-space:pre-wrap;overflow-wrap:anywhere;margin:.5rem 0;word-break:keep-all}
.by-mono{font-family:var(--font-mono);font-size:.85em;word-break:normal}
.by-text mark{color:inherit;border-radius:.25rem;padding:.1rem .25rem;border-bottom:2px solid;box-decoration-break:clone;
 -webkit-box-decoration-break:clone}
.by-text mark b{font-size:.72em;margin-left:.35rem;font-weight:650;opacity:.95}
.by-text .by-c0{background:#1d6fd62e;border-color:#1d6fd6}.by-text .by-c1{background:#d9480f2e;border-color:#d9480f}
.by-text .by-c2{background:#2b8a3e2e;border-color:#2b8a3e}.by-text .by-c3{background:#9c36b52e;border-color:#9c36b5}
.by-text .by-c4{background:#b087002e;border-color:#b08700}.by-text .by-c5{background:#0b72852e;border-color:#0b7285}
.by-beside{display:grid;grid-template-columns:1fr 1fr;gap:1.5rem}
.by-given{color:var(--by-soft)}
.by-cursor{display:inline-block;width:.5em;height:1em;margin-left:.1em;vertical-align:text-bottom;background:var(--color-accent)}
.by-facts{display:flex;flex-wrap:wrap;gap:.2rem 1.6rem;margin:0}
.by-facts div{display:flex;gap:.5rem}
.by-facts dt{color:var(--by-soft)}
.by-facts dd{margin:0;font-variant-numeric:tabular-nums}
.by-sticks{width:100%;height:60px;margin-top:.6rem}
.by-sticks rect{fill:var(--color-accent)}
.by-read{margin-top:1rem;border-top:1px solid var(--border-color-primary);padding-top:.6rem}
.by-read summary{cursor:pointer;color:var(--by-soft)}
.by-tokens{margin:.6rem 0;line-height:2.6}
.by-tokens span{display:inline-block;line-height:1.25;text-align:center;border:1px solid var(--border-color-primary);border-radius:.3rem;
 padding:.1rem .4rem;margin:.1rem .2rem .1rem 0;font-family:var(--font-mono);font-size:.88em;vertical-align:top}
.by-tokens span.special{background:var(--background-fill-secondary);font-style:italic}
.by-tokens span.unknown{border-color:#d9480f;border-style:dashed}
.by-tokens small{display:block;font-size:.72em;color:var(--by-soft)}
.by-tokens em{margin-left:.3rem;font-size:.8em}
.by-time{color:var(--by-soft);font-size:.85em;margin-top:.6rem}
.by-refused{border-left:4px solid #d9480f;padding:.5rem .9rem;background:#d9480f1f;border-radius:.25rem;overflow-wrap:anywhere}
.by-refused b{margin-right:.5rem}
.by-progress{display:grid;gap:.4rem}
.by-lines{font-family:var(--font-mono);font-size:.82em;white-space:pre-wrap;overflow-wrap:anywhere;max-height:22rem;overflow:auto}
.by-report{width:100%;height:80vh;border:1px solid var(--border-color-primary);border-radius:.4rem;background:#fff}
#by-examples td,#by-examples th{text-align:left!important;vertical-align:top}
#by-examples td:nth-child(1){white-space:nowrap}
.by-one td:nth-child(3),.by-one th:nth-child(3){display:none}
@media (max-width:640px){.by-beside{grid-template-columns:1fr;gap:.4rem}.by-bar{grid-template-columns:1fr 4.2rem}
 .by-bar .by-track{grid-column:1/-1;grid-row:2}}
"""
