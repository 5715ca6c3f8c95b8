// Bundles src/parser.mjs to the file named by the first argument, with the second as its first line.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

// Mermaid makes and copies its whole configuration (a thousand values) four times for each parse, and once more each time
// a label is looked at: 12 ms for ten relations instead of 2. Without directives it comes out the same each time, so it is
// made once for each kind of diagram; and what a parse looks at is one copy, made anew for each parse, so that no diagram
// can change it for the next.
const PATCHES = [
  [
    /getConfig = (\/\* @__PURE__ \*\/ __name\()\(\) => \{\s*return assignWithDepth_default\(\{\}, currentConfig\);\s*\}/,
    `getConfig = $1() => {
  if (getConfig.of !== currentConfig) {
    getConfig.copy = assignWithDepth_default({}, currentConfig);
    getConfig.of = currentConfig;
  }
  return getConfig.copy;
}`,
  ],
  [
    /updateCurrentConfig = (\/\* @__PURE__ \*\/ __name\()\(siteCfg, _directives\) => \{([\s\S]*?)return currentConfig;\s*\}/,
    `updateCurrentConfig = $1(siteCfg, _directives) => {
  const plain = siteCfg === siteConfig && _directives.every((each) => Object.keys(each).length === 0);
  if (updateCurrentConfig.site !== siteConfig) {
    updateCurrentConfig.site = siteConfig;
    updateCurrentConfig.made = new Map();
  }
  const made = plain ? updateCurrentConfig.made.get(diagramConfigKey) : undefined;
  if (made !== undefined) return (currentConfig = made);
$2if (plain) updateCurrentConfig.made.set(diagramConfigKey, currentConfig);
  return currentConfig;
}`,
  ],
  [/reset = (\/\* @__PURE__ \*\/ __name\()\(config2 = siteConfig\) => \{/, `$&\n  getConfig.of = undefined;`],
];

let patched = 0;
const makeConfigurationOnce = {
  name: "make-configuration-once",
  setup(setup) {
    setup.onLoad({ filter: /mermaid[\\/]dist[\\/]chunks[\\/]mermaid\.core[\\/].*\.mjs$/ }, async ({ path: file }) => {
      const source = await readFile(file, "utf8");
      if (!PATCHES[0][0].test(source)) return null;
      let contents = source;
      for (const [pattern, replacement] of PATCHES) {
        if (!pattern.test(contents)) continue;
        contents = contents.replace(pattern, replacement);
        patched += 1;
      }
      return { contents, loader: "js" };
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
  plugins: [makeConfigurationOnce],
});
if (patched !== PATCHES.length) {
  console.error(`${patched} of ${PATCHES.length} places of mermaid's configuration were found: look at bundle.mjs`);
  process.exit(1);
}
