// Bundles src/parser.mjs to the file named by the first argument, with the second as its first line.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

// Mermaid copies its whole configuration (a thousand values) each time a label is looked at: 12 ms for ten relations
// instead of 2. A parse starts with a configuration of its own, so one copy for each is as private as one for each look.
const COPY = /getConfig = (\/\* @__PURE__ \*\/ __name\()\(\) => \{\s*return assignWithDepth_default\(\{\}, currentConfig\);\s*\}/;
const COPY_ONCE = `getConfig = $1() => {
  if (getConfig.of !== currentConfig) {
    getConfig.copy = assignWithDepth_default({}, currentConfig);
    getConfig.of = currentConfig;
  }
  return getConfig.copy;
}`;

let patched = 0;
const copyConfigurationOnce = {
  name: "copy-configuration-once",
  setup(setup) {
    setup.onLoad({ filter: /mermaid[\\/]dist[\\/]chunks[\\/]mermaid\.core[\\/].*\.mjs$/ }, async ({ path: file }) => {
      const source = await readFile(file, "utf8");
      if (!COPY.test(source)) return null;
      patched += 1;
      return { contents: source.replace(COPY, COPY_ONCE), loader: "js" };
    });
  },
};

const [outfile, banner] = process.argv.slice(2);
await build({
  entryPoints: ["src/parser.mjs"],
  outfile,
  banner: { js: banner },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  alias: { dompurify: path.resolve("src/dompurify.mjs") },
  plugins: [copyConfigurationOnce],
});
if (patched !== 1) {
  console.error(`getConfig was found in ${patched} files of mermaid instead of 1: look at bundle.mjs`);
  process.exit(1);
}
