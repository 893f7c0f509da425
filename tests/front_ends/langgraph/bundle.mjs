// Bundles the page for a browser, and prints {script}.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("../../../examples/front_end/page.jsx", import.meta.url))],
  nodePaths: [fileURLToPath(new URL("../node_modules", import.meta.url))],
  bundle: true,
  write: false,
  format: "iife",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "error",
});
console.log(JSON.stringify({ script: outputFiles[0].text }));
