import { render } from "preact";
import "./style.css";
import * as api from "./api.js";
import { App } from "./app.jsx";
import { learn } from "./color.js";

api.known.then(learn).then(() => render(<App />, document.getElementById("app")));
