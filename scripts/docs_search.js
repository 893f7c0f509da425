// Asks the search of the built site, with its own worker: node docs_search.js build/site < queries.json
// Prints for each query the pages found, best first.

const fs = require('node:fs')
const path = require('node:path')
const vm = require('node:vm')

const site = process.argv[2]
const workers = path.join(site, 'assets', 'javascripts', 'workers')
const worker = fs.readdirSync(workers).find((name) => name.endsWith('.js'))

// What a worker of a browser has.
let listener, received
globalThis.self = globalThis
globalThis.addEventListener = (_, added) => { listener = added }
globalThis.postMessage = (message) => received(message.data)
vm.runInThisContext(fs.readFileSync(path.join(workers, worker), 'utf8'))

const [SETUP, QUERY] = [0, 2]
const post = (type, data) => new Promise((resolve) => {
  received = resolve
  listener({ data: { type, data } })
})

async function main () {
  const index = JSON.parse(fs.readFileSync(path.join(site, 'search', 'search_index.json'), 'utf8'))
  await post(SETUP, { ...index, options: { suggest: false } })
  const found = {}
  for (const query of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    const { items } = await post(QUERY, query)
    found[query] = items.map(([first]) => first.location.split('#')[0])
  }
  process.stdout.write(JSON.stringify(found))
}

main()
