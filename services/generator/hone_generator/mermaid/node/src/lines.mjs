// Mermaid parses a text from which front matter, directives and comments were cut, and its errors count lines in what
// is left. This finds the line that the author of the text sees. The patterns are mermaid's (preprocess.ts, regexes.ts).
const FRONT_MATTER = /^([^\S\n]*)---\s*\n(?:[\s\S]*?\n)?\1---\s*\n/;
const DIRECTIVE = /%{2}{\s*(?:(\w+)\s*:|(\w+))\s*(?:(\w+)|((?:(?!}%{2}).|\r?\n)*))?\s*(?:}%{2})?/gi;
const COMMENT = /^\s*%%(?!{)[^\n]+\n?/gm;
const LEADING_SPACE = /^\s+/;

function cut(source, pattern) {
  const lines = [];
  let text = "";
  let from = 0;
  const keep = (to) => {
    text += source.text.slice(from, to);
    for (let i = from; i < to; i++) lines.push(source.lines[i]);
  };
  source.text.replace(pattern, (...args) => {
    const offset = args[args.length - 2];
    keep(offset);
    from = offset + args[0].length;
    return "";
  });
  keep(source.text.length);
  return { text, lines };
}

/** For each line of the text as mermaid's grammar sees it: that line, and its number in the original (both from 1). */
export function grammarLines(original) {
  const text = original.replace(/\r\n?/g, "\n");
  const lines = [];
  let line = 1;
  for (const character of text.split("")) {
    lines.push(line);
    if (character === "\n") line += 1;
  }
  let source = { text, lines };
  for (const pattern of [FRONT_MATTER, DIRECTIVE, COMMENT, LEADING_SPACE]) source = cut(source, pattern);
  const seen = [];
  let start = 0;
  for (const content of source.text.split("\n")) {
    seen.push({ content, number: source.lines[start] ?? line });
    start += content.length + 1;
  }
  return seen;
}
