import { byId } from "./dom.js";
import { startDefinitions } from "./definitions.js";
import { startTables } from "./tables.js";

startDefinitions();
startTables(JSON.parse(byId("board-data").textContent).tables);
