// Reads {"id", "text"} a line on stdin; answers {"id", "type"} or {"id", "error"} a line on stdout. Ends with stdin.
import readline from "node:readline";
import mermaid from "mermaid";
import { version } from "mermaid/package.json";
import { grammarLines } from "./lines.mjs";

const MESSAGE_CHARS = 500; // jison quotes the text around the error, which may be one very long line
const EXPECTED_TOKENS = 60;

// stdout carries answers alone.
for (const name of ["log", "info", "debug", "warn", "error"]) console[name] = () => {};

// Sequence diagrams ask the browser whether the first word of a box is a colour; either answer parses.
globalThis.window = { CSS: { supports: () => true } };

mermaid.initialize({
  startOnLoad: false,
  maxTextSize: 4_000_000, // the client bounds the text
  maxEdges: 1_000_000,
  logLevel: "fatal",
});

const answer = (document) => process.stdout.write(JSON.stringify(document) + "\n");

// jison counts a line break that is itself the unexpected token as already passed.
function jisonLine(hash) {
  const passed = typeof hash.text === "string" ? hash.text.split("\n").length - 1 : 0;
  return Math.max(hash.line + 1 - passed, 1);
}

// Tokens lie on one line, so the offending one is found after the last good one.
function jisonColumn(hash, line, content) {
  const token = (hash.text ?? "").trim();
  const from = hash.loc && hash.loc.last_line === line ? hash.loc.last_column : 0;
  if (!token) return content.length + 1;
  const at = content.indexOf(token, from);
  return at < 0 ? null : at + 1;
}

function lexerColumn(message, content) {
  const shown = /Unrecognized text\.\n(.*)\n(-*)\^/.exec(message);
  if (!shown) return null;
  const upTo = shown[1].slice(0, shown[2].length + 1).replace(/^\.\.\./, "");
  const at = content.lastIndexOf(upTo);
  return at < 0 ? null : at + upTo.length;
}

// jison's own message counts lines of the cut text, so a message that needs no line is made here.
function jisonMessage(hash, message) {
  if (hash.token === null) return "unrecognised text";
  if (/ got '(1|EOF\w*)'$/.test(message)) return "the diagram ends too early";
  const text = hash.text ?? "";
  return text.trim() ? `unexpected ${JSON.stringify(text.slice(0, 60))}` : "the line ends too early";
}

function described(error, text) {
  const message = String(error?.message ?? error).slice(0, MESSAGE_CHARS);
  const hash = error?.hash;
  const base = { message, line: null, column: null, expected: [] };
  if (typeof hash?.line !== "number") return base;
  base.message = jisonMessage(hash, message);
  const lines = grammarLines(text);
  const line = jisonLine(hash);
  const { content, number } = lines[Math.min(line, lines.length) - 1];
  const column = hash.token === null ? lexerColumn(message, content) : jisonColumn(hash, line, content);
  const expected = (hash.expected ?? []).slice(0, EXPECTED_TOKENS).map((name) => name.replace(/^'|'$/g, ""));
  return { ...base, line: number, column, expected };
}

async function parse(text) {
  try {
    return { type: (await mermaid.parse(text)).diagramType };
  } catch (error) {
    return { error: described(error, text) };
  }
}

const requests = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
answer({ id: 0, ready: true, version });
for await (const line of requests) {
  const { id, text } = JSON.parse(line);
  answer({ id, ...(await parse(text)) });
}
process.exit(0);
