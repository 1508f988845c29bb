/** The style of the readable page. Colours follow the reader's system; nothing is fetched. */
export const STYLE = `:root{color-scheme:light dark;--line:light-dark(#d8dbe0,#3a3f47);--soft:light-dark(#f4f5f7,#1e2127);--dim:light-dark(#555d68,#a3abb6);--link:light-dark(#0b57b0,#7ab4ff)}
*{box-sizing:border-box}html{scroll-behavior:smooth;scroll-padding-top:1rem}@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;font:16px/1.55 system-ui,sans-serif;background:light-dark(#fff,#16181d);color:light-dark(#1b1f24,#e4e7eb)}
a{color:var(--link)}code,pre{font:.875em/1.5 ui-monospace,Menlo,Consolas,monospace}code{background:var(--soft);padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}
pre{background:var(--soft);padding:.8rem 1rem;border-radius:6px;overflow:auto;max-height:32rem}pre code{background:none;padding:0;overflow-wrap:normal}
.page{display:grid;grid-template-columns:18rem minmax(0,1fr)}nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem;border-right:1px solid var(--line);font-size:.9rem}
nav ul{list-style:none;margin:0 0 1rem;padding:0}nav li{margin:.15rem 0}nav a{text-decoration:none}nav a:hover{text-decoration:underline}nav h2{font-size:.8rem;margin:1rem 0 .3rem;text-transform:uppercase;letter-spacing:.05em;color:var(--dim)}
main{padding:1.5rem 2rem 6rem;max-width:70rem}article{border-top:1px solid var(--line);padding:1rem 0 1.5rem}h2{margin-top:3rem}h3 code{font-size:1rem}
.method{display:inline-block;min-width:4.2rem;font-weight:700}.dim{color:var(--dim)}.wide{overflow:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
td code{overflow-wrap:break-word}td .dim code{overflow-wrap:anywhere}details{margin-top:.6rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}th{font-weight:600;color:var(--dim)}summary{cursor:pointer;padding:.3rem 0}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem}
@media(max-width:60rem){.page{display:block}nav{position:static;height:auto;max-height:50vh;border-right:0;border-bottom:1px solid var(--line)}main{padding:1rem}}
@media(max-width:40rem){.wide thead{display:none}.wide tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}.wide td{display:block;padding:.1rem 0;border:0}}
@media print{nav{display:none}.page{display:block}pre{max-height:none}}`
