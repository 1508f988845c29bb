/** The Markdown of the document's descriptions as HTML: headings, paragraphs, tables, lists, fenced code, `code` and **bold**. Everything else is text. */

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const BLOCK = /^```[^\n]*\n[\s\S]*?^```$|(?:^(?!```)[^\n]+\n?)+/gm

/** Text as HTML has it, in an element as well as in an attribute. */
export function escapeHtml (text: string): string {
  return text.replaceAll(/[&<>"']/g, (found) => ESCAPES[found] ?? found)
}

/** One line: `code` and **bold**. */
export function inlineHtml (text: string): string {
  return text.split(/(`[^`]+`)/).map((part) => part.startsWith('`') && part.endsWith('`') && part.length > 2
    ? `<code>${escapeHtml(part.slice(1, -1))}</code>`
    : escapeHtml(part).replaceAll(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')).join('')
}

/** Blocks. A heading `##` becomes `<h{level}>`, one more `#` one level further down; with `anchors` each is one, by `anchorOf`. */
export function markdownHtml (text: string, level = 3, anchors = false): string {
  return (text.match(BLOCK) ?? []).map((block) => blockHtml(block.trimEnd(), level, anchors)).join('\n')
}

/** `about-signing` of `Signing`. */
export function anchorOf (heading: string): string {
  return `about-${heading.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
}

/** The headings `##` of a text, in their order. */
export function headingsOf (text: string): string[] {
  return [...text.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading)
}

function blockHtml (block: string, level: number, anchors: boolean): string {
  const lines = block.split('\n')
  const [first = ''] = lines
  if (first.startsWith('```')) return `<pre tabindex="0"><code>${escapeHtml(lines.slice(1, -1).join('\n'))}</code></pre>`
  const heading = /^(#{2,4}) (.+)$/.exec(first)
  if (heading !== null) {
    const tag = `h${level + (heading[1] ?? '').length - 2}`
    const words = heading[2] ?? ''
    return [`<${tag}${anchors ? ` id="${anchorOf(words)}"` : ''}>${inlineHtml(words)}</${tag}>`, ...(lines.length > 1 ? [blockHtml(lines.slice(1).join('\n'), level, anchors)] : [])].join('\n')
  }
  if (/^\|.*\|$/.test(first) && /^\|( ?-+ ?\|)+$/.test(lines[1] ?? '')) return tableHtml(first, lines.slice(2))
  if (lines.every((line) => /^(\* | {2})/.test(line)) && first.startsWith('* ')) return `<ul>${block.split(/^\* /m).filter((item) => item !== '').map((item) => `<li>${inlineHtml(item.trim())}</li>`).join('')}</ul>`
  return `<p>${inlineHtml(lines.join(' '))}</p>`
}

function tableHtml (head: string, rows: readonly string[]): string {
  const cells = (line: string): string[] => line.replace(/^\|/, '').replace(/\|$/, '').split('|').map((cell) => inlineHtml(cell.trim()))
  return `<div class="wide"><table><thead><tr>${cells(head).map((cell) => `<th scope="col">${cell}</th>`).join('')}</tr></thead><tbody>${
    rows.map((row) => `<tr>${cells(row).map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</tbody></table></div>`
}
