// Bundles the page for a browser, and prints {script}.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("use_stream_page.jsx", import.meta.url))],
  bundle: true,
  write: false,
  format: "iife",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "error",
});
console.log(JSON.stringify({ script: outputFiles[0].text }));
