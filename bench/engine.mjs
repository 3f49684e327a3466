// engine.mjs duckdb|clickhouse FOLDER QUERY: answers one query, which gives one row, as JSON.
// FOLDER is where their packages are installed.
import { createRequire } from "node:module";
import { join } from "node:path";

const [engine, folder, query] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));

async function duckdb() {
    const { DuckDBInstance } = require("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const rows = async (text) => (await connection.runAndReadAll(text)).getRowObjects();
    const [version] = await rows("select version() as version");
    return { ...version, ...(query ? (await rows(query))[0] : {}) };
}

function clickhouse() {
    const chdb = require("chdb");
    const rows = (text) => JSON.parse(chdb.query(text, "JSONEachRow"));
    return { ...rows("select version() as version"), ...(query ? rows(query) : {}) };
}

const answer = engine === "duckdb" ? await duckdb() : clickhouse();
const plain = (key, value) => (typeof value === "bigint" ? value.toString() : value);
console.log(JSON.stringify(answer, plain));
process.exit(0); // an engine's threads need not be waited for
