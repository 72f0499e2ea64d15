import { DARK, declarations, LIGHT } from './colours.js';

/** Dark applies to screens alone: paper is white. Below 768 pixels the charts drawn for phones are shown. */
export const PAGE_STYLE = `
:root{color-scheme:light;${declarations(LIGHT)}}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;${declarations(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth;scroll-padding-top:16px}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0 auto;padding:32px 24px 64px;max-width:768px;background:var(--page);color:var(--ink);font:16px/1.55 "Inter","Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;overflow-wrap:break-word}
h1,h2,h3,p,ul,ol,dl,figure{margin:0}
h1{font-size:32px;line-height:1.15;letter-spacing:-.015em}
h2{font-size:23px;line-height:1.25;letter-spacing:-.01em;margin-bottom:12px}
h3{font-size:16px;margin:28px 0 8px}
a{color:var(--link)}
.skip{position:absolute;left:-999px}
.skip:focus{left:16px;top:8px;background:var(--page);padding:4px 8px}
.subtitle{font-size:18px;color:var(--muted);margin-top:6px}
.facts{list-style:none;padding:0;margin-top:14px;display:flex;flex-wrap:wrap;gap:4px 0;color:var(--muted);font-size:14px}
.facts li:not(:last-child)::after{content:"·";margin:0 8px}
nav{margin:24px 0 0;font-size:14px}
nav ol{list-style:none;padding:10px 0;border-block:1px solid var(--grid);display:flex;flex-wrap:wrap;gap:0 18px}
nav a{display:block;padding:2px 0;text-decoration:none}
nav a:hover{text-decoration:underline}
section{margin-top:56px}
section>*+*{margin-top:16px}
section>h2+*{margin-top:0}
section>h3{margin-top:28px}
section>h3+*{margin-top:8px}
.lead{font-size:21px;line-height:1.35;font-weight:600}
.note{color:var(--muted);font-size:15px}
.reasons{padding-left:20px}
.reasons li+li{margin-top:4px}
.warning{line-height:1.45;background:var(--warning-page);border-left:3px solid var(--warning-line);padding:10px 14px;font-size:15px}
td.warning{line-height:inherit;line-height:1.45;background:none;border-left:0;padding:5px 0 5px 12px;font-size:inherit}
p.absent{font-size:15px;background:var(--soft);border-left:3px solid var(--muted);padding:10px 14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(158px,1fr));gap:1px;background:var(--grid);border:1px solid var(--grid);border-radius:8px;overflow:hidden}
.tile{background:var(--page);padding:14px 16px}
.tile dt{font-size:13px;color:var(--muted)}
.tile dd{margin:2px 0 0;font-size:26px;line-height:1.2;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.tile small{display:block;font-size:13px;line-height:1.4;font-weight:400;letter-spacing:0;color:var(--muted);margin-top:4px}
.scroll{overflow-x:auto;max-width:100%}
.scroll:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-size:14px;line-height:1.4;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:6px}
caption span{display:inline-block;position:sticky;left:0;max-width:min(720px,calc(100vw - 32px))}
th,td{padding:5px 0 5px 12px;text-align:left;vertical-align:top;font-weight:400}
th:first-child,tr>th:first-child{padding-left:0}
thead th{color:var(--muted);font-size:13px;vertical-align:bottom;border-bottom:1px solid var(--muted)}
tbody{border-bottom:1px solid var(--grid)}
tbody th{font-weight:600;min-width:104px;overflow-wrap:anywhere}
.n{text-align:right}
td.n{white-space:nowrap}
td small{display:block;font-size:12px;line-height:1.35;color:var(--muted)}
td.n small{white-space:pre}
td.good{color:var(--good)}
td.bad{color:var(--bad)}
td.absent,td.neutral{color:var(--muted)}
.sign{font-weight:700}
.wordy tbody th{min-width:150px}
.tables table{font-size:13px}
.tables td,.tables th{padding-left:9px}
.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:24px 32px}
figure{border-top:1px solid var(--grid);padding-top:14px}
*+figure{margin-top:24px}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px;margin-bottom:10px}
.legend li{display:flex;align-items:center;gap:7px}
.legend .heading{color:var(--muted)}
.swatch{width:12px;height:12px;flex:none}
.number{min-width:19px;height:19px;border-radius:3px;font-size:12px;line-height:19px;text-align:center;color:var(--on-phase);flex:none}
.chart svg{display:block;width:100%;height:auto}
.chart text{font-family:inherit;font-variant-numeric:tabular-nums;paint-order:stroke;stroke:var(--page);stroke-width:3px;stroke-linejoin:round}
.numbers_marks text,.tracks_marks text,.peaks_marks text{stroke:none}
code{font-family:ui-monospace,"Liberation Mono",Menlo,Consolas,monospace;font-size:.92em}
.narrow{display:none}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,328px),1fr));gap:24px 32px}
.panel-title{font-weight:600;font-size:14px;margin-bottom:4px}
figcaption{font-size:14px;color:var(--muted);margin-top:6px}
details{margin-top:8px}
summary{cursor:pointer;color:var(--link);font-size:14px;padding:2px 0;width:fit-content}
details>.scroll{margin-top:8px}
.more+.more{margin-top:4px}
footer{margin-top:64px;border-top:1px solid var(--grid);padding-top:12px;font-size:13px;color:var(--muted)}
@media screen and (max-width:767px){
body{padding:20px 16px 48px;font-size:15px}
h1{font-size:26px}
h2{font-size:20px}
.subtitle{font-size:16px}
.lead{font-size:18px}
nav a{padding:5px 0}
section{margin-top:44px}
.wordy thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.wordy,.wordy tbody,.wordy tr,.wordy th,.wordy td,.wordy caption{display:block}
.wordy tr{padding:10px 0}
.wordy tbody th,.wordy td,td.warning{line-height:inherit;padding:2px 0}
.wordy td:not(:empty)::before{content:attr(data-head) ": ";color:var(--muted)}
.wordy tbody:first-of-type{border-top:1px solid var(--muted)}
.wide{display:none}
.narrow{display:block;max-width:480px}
.panel .chart{max-width:480px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(140px,1fr))}
.tile dd{font-size:22px}
}
@media screen and (min-width:1032px){
body{max-width:984px;display:grid;grid-template-columns:150px 720px;column-gap:66px}
header,footer{grid-column:2}
nav{grid-row:1/3;grid-column:1;position:sticky;top:32px;align-self:start;margin:6px 0 0}
nav ol{display:block;border:0;padding:0}
nav a{padding:4px 0}
main{grid-column:2}
}
@media print{
@page{margin:14mm}
body{padding:0;max-width:none;font-size:11pt}
nav,.skip,details.numbers,details.more{display:none}
section{margin-top:28px}
figure,.tile,.panel,tr{break-inside:avoid}
h2,h3,caption{break-after:avoid}
.scroll{overflow:visible}
table{font-size:9pt}
thead th,td small{font-size:8pt}
.tables{grid-template-columns:1fr 1fr}
.panels{grid-template-columns:1fr 1fr}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
