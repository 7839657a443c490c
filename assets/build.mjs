// Builds what the pages load into callctl/web/static, with a manifest that a test holds against the files.
// Needs node once, on the developer's machine (`make assets`); nothing of it runs at install or at run time.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const OUT = "../callctl/web/static";
const LICENCES = {
  "htmx.txt": "node_modules/htmx.org/LICENSE",
  "echarts.txt": "node_modules/echarts/LICENSE",
  "echarts-notice.txt": "node_modules/echarts/NOTICE",
  "zrender.txt": "node_modules/zrender/LICENSE",
  "tslib.txt": "node_modules/tslib/LICENSE.txt",
  "jssip.txt": "node_modules/jssip/LICENSE.md",
  "debug.txt": "node_modules/debug/LICENSE",
  "events.txt": "node_modules/events/LICENSE",
  "sdp-transform.txt": "node_modules/sdp-transform/LICENSE",
  "ms.txt": "node_modules/ms/license.md",
};
const PAGES = ["console", "wallboard", "desk"]; // One script a kind of page; a page loads only what it needs.

// What CSS cannot say once: the same colours by choice and by the machine's own setting.
const dark = readFileSync("src/dark-colours.css", "utf8").replace(/\/\*.*?\*\//s, "");
const colours = {
  name: "dark colours",
  setup: (on) => on.onLoad({ filter: /console-frame\.css$/ }, ({ path }) => ({
    contents: readFileSync(path, "utf8").replaceAll("@dark-colours;", dark),
    loader: "css",
  })),
};

rmSync(OUT, { recursive: true, force: true });
mkdirSync(`${OUT}/licences`, { recursive: true });

await build({
  entryPoints: [...PAGES.map((page) => `src/${page}.js`), "src/softphone.js", "src/console.css"],
  outdir: OUT,
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none", // The licences lie beside, whole.
  target: ["chrome92", "firefox102", "safari15"], // Government desktops update slowly.
  define: { global: "globalThis", "process.env.NODE_ENV": '"production"' },
  plugins: [colours],
  logLevel: "warning",
});
copyFileSync("src/favicon.svg", `${OUT}/favicon.svg`);
for (const [name, from] of Object.entries(LICENCES)) copyFileSync(from, `${OUT}/licences/${name}`);

// axe is for our tests only: it judges the pages' accessibility. MPL-2.0; its licence stands at its top.
mkdirSync("../tests/web/vendored", { recursive: true });
copyFileSync("node_modules/axe-core/axe.min.js", "../tests/web/vendored/axe.min.js");

const manifest = {};
for (const name of [...PAGES.map((page) => `${page}.js`), "softphone.js", "console.css", "favicon.svg"]) {
  const bytes = readFileSync(`${OUT}/${name}`);
  manifest[name] = {
    integrity: `sha384-${createHash("sha384").update(bytes).digest("base64")}`,
    bytes: bytes.length,
    compressed_bytes: gzipSync(bytes, { level: 9 }).length,
  };
}
writeFileSync(`${OUT}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
console.table(manifest, ["bytes", "compressed_bytes"]);
