// Builds player.html, the one file that the server returns, from the sources beside this script.
// The same sources and the same locked packages give the same bytes. `--check` writes nothing, and
// fails if player.html is not what would be written. `--bundle IN OUT` bundles another script with the
// same packages, for the tests.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const here = dirname(fileURLToPath(import.meta.url));
const BUILT = join(here, "player.html");
const MOST_BYTES = 400_000;

const read = (name) => readFileSync(join(here, name), "utf8");

/** A digest of the page's sources; tests/test_player_file.py reads the same list of files. */
function digest() {
  const hash = createHash("sha256");
  const names = readdirSync(here).filter((name) => /\.(ts|css|mjs)$|^index\.html$|^package-lock\.json$/.test(name));
  for (const name of names.sort()) hash.update(`${name}\0${read(name)}\0`);
  return hash.digest("hex");
}

async function script(input) {
  const resolve = { modules: [join(here, "node_modules")] };
  const bundle = await rolldown({ input, platform: "browser", resolve, logLevel: "warn" });
  const { output } = await bundle.generate({ format: "iife", minify: true, sourcemap: false, comments: false });
  await bundle.close();
  const modules = Object.keys(output[0].modules);
  // A script inside a page must contain neither.
  const code = output[0].code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
  return { code, modules };
}

function style() {
  return read("style.css").replace(/\/\*[^]*?\*\//g, "").replace(/\s*\n\s*/g, "").replace(/([{;,]) /g, "$1").trim();
}

/** The licences of the packages in the bundle, which must be passed on with it. */
function licences(modules) {
  const roots = modules.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.replaceAll("\\", "/"))?.[0]);
  const texts = new Map();
  for (const root of [...new Set(roots.filter(Boolean))].sort()) {
    const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const licence = readFileSync(join(root, "LICENSE"), "utf8").trim();
    texts.set(licence, [...(texts.get(licence) ?? []), `${name} ${version}`]);
  }
  const parts = [...texts].map(([licence, names]) => `${names.join(", ")}:\n\n${licence}`);
  return `In here are these packages, under these licences.\n\n${parts.join("\n\n")}`.replaceAll("--", "- -");
}

async function page() {
  const { code, modules } = await script(join(here, "main.ts"));
  const fill = (html, mark, content) => html.split(mark).join(content);
  const html = fill(fill(read("index.html"), "/*style*/", style()), "/*script*/", code);
  return `${html}<!-- sources sha256:${digest()} -->\n<!--\n${licences(modules)}\n-->\n`;
}

async function make(isCheck) {
  const built = await page();
  const bytes = Buffer.byteLength(built);
  if (bytes > MOST_BYTES) throw new Error(`player.html would have ${bytes} bytes; ${MOST_BYTES} are the most`);
  if (!isCheck) {
    writeFileSync(BUILT, built);
    console.error(`player.html: ${bytes} bytes`);
  } else if (read("player.html") !== built) {
    throw new Error("player.html is not what its sources make: run `make player` and commit it");
  }
}

const [mode, input, output] = process.argv.slice(2);
if (mode === "--bundle") writeFileSync(output, (await script(input)).code);
else await make(mode === "--check");
