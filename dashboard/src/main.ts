import { mount } from "svelte";

import App from "./App.svelte";
import { start as startKeyboard } from "./keyboard.svelte";
import { start as startRouter } from "./router.svelte";
import { begin } from "./session.svelte";
import "./style/tokens.css";
import "./style/base.css";

startRouter();
startKeyboard();
void begin();
const target = document.getElementById("app");
if (target) mount(App, { target });
