import { el, number, percent, withArticle } from "./dom.js";
import { colourScale } from "./colours.js";
import { shot } from "./shot.js";

/**
 * @typedef {object} PairPictures
 * @property {string|null} found
 * @property {string|null} strip
 * @property {string|null} to_target
 * @property {string|null} to_source
 */
/**
 * @typedef {object} Pair
 * @property {string} id
 * @property {string} model
 * @property {string} source
 * @property {string|null} target
 * @property {string} source_id
 * @property {string|null} target_id
 * @property {string|null} source_key
 * @property {string|null} target_key
 * @property {string} ending
 * @property {boolean} arrived
 * @property {string} believed
 * @property {boolean} believes
 * @property {string} caption
 * @property {Record<string, number|boolean|null>} numbers
 * @property {Array<number|null>} segment
 * @property {Array<number|null>} plain
 * @property {number|null} plain_until
 * @property {number[]} steps
 * @property {Array<number|null>} path
 * @property {[string, number]|null} target_said
 * @property {PairPictures} pictures
 */
/**
 * @typedef {object} Triangle
 * @property {string} model
 * @property {string} source_id
 * @property {string[]} target_ids
 * @property {number} p_source
 * @property {number} mean
 * @property {Array<number|null>} confidence
 * @property {number[]} sides
 */
/** @typedef {{key: string, title: string, definition: string, digits: number, percent: boolean}} Column */

/** The data of the page: `ReportData` in Python, see docs/report.md. */
export const report = JSON.parse(document.getElementById("run-data").textContent);

/** @type {Map<string, Pair>} */
const pairs = new Map(report.pairs.map((pair) => [pair.id, pair]));
const models = new Map(report.models.map((model) => [model.name, model]));
const endings = new Map(report.endings.map((ending) => [ending.ending, ending]));

/** The score that the run held. */
export const score = report.score;
/** The colour of a score, on the scale of the figures. */
export const colourOf = colourScale(report.colours, score.over);
/** @param {number|null|undefined} value @returns {string} a score: "99.9 %", "9.21" */
export const sure = (value) => (score.probability ? percent(value) : number(value, score.digits));
/** @param {number|null|undefined} value @returns {string} the same in a sentence: "margin 9.21" */
export const surely = (value) => (score.probability ? "" : `${score.noun} `) + sure(value);
/** The score's name at the beginning of a sentence. */
export const heading = score.noun[0].toUpperCase() + score.noun.slice(1);
/** What every chart of the score is drawn with. */
export const axis = { scale: score.along, noun: score.noun, source: score.source };

/** @type {Column[]} the numbers that any pair has */
export const columns = report.columns.filter(({ key }) => report.pairs.some((pair) => pair.numbers[key] !== null));

/** @param {string} id @returns {Pair|undefined} */
export const pairById = (id) => pairs.get(id);
/** @param {string} key @returns {Column} */
export const column = (key) => report.columns.find((one) => one.key === key);
/** @param {Pair} pair */
export const started = (pair) => pair.numbers.rmse !== null;
/** The pairs that were traversed. */
export const startedPairs = report.pairs.filter(started);
/** @param {Pair} pair @returns {{title: string, sentence: string}} */
export const endingOf = (pair) => endings.get(pair.ending);
/** @param {Pair} pair @returns {number} width of its images by their height */
export const aspectOf = (pair) => models.get(pair.model).aspect;
/** @param {string} name @returns {string} what a model is called */
export const titleOf = (name) => models.get(name).title;
/**
 * The level below which a model is outside the superlevel set.
 * @param {string} model
 * @param {number} sure of the source, by the score
 * @returns {number|null}
 */
export function levelOf(model, sure) {
  const { delta } = models.get(model);
  return delta === null ? null : sure - delta;
}
/** @param {Pair} pair @returns {Pair[]} the same source and target, once for every model */
export const sameOf = (pair) => report.pairs.filter((one) => one.source_id === pair.source_id && one.target_id === pair.target_id);

/** @param {Pair} pair */
export const sourceImage = (pair) => report.images[pair.source_key];
/** @param {Pair} pair */
export const targetImage = (pair) => report.images[pair.target_key];
/** @param {Pair} pair */
export const foundImage = (pair) => pair.pictures.found;

/** "the model sees" where it does believe in the source's class, else how little it does. */
export const sees = (pair) => `the model ${pair.believes ? score.sees : `still ${score.gives}`}`;
/** @param {Pair} pair */
export const youSee = (pair) => (pair.arrived ? "You see" : "On the way to");
/** @param {Pair} pair */
export const foundWords = (pair) =>
  `Found image: ${youSee(pair).toLowerCase()} ${withArticle(pair.target)}, ${sees(pair)} ${pair.believed}`;

/**
 * A picture, or a dashed frame that says that it was not kept.
 * @param {string|null|undefined} address
 * @param {string} alt
 * @param {Record<string, any>} extra
 */
export function picture(address, alt, extra = {}) {
  if (!address) return el("span", { class: "shot absent" }, "not kept");
  return shot(address, alt, extra);
}
