"""What there is to say of a run by its task: its baselines, its long inputs, how it is used, where it is wrong. One table.

Invariants: a sentence is true of what the task's file in byeori.tasks does; of an own task, whose file is no part of a run,
and where nothing says the task, nothing is claimed.

    about(read_facts("run")).long
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from byeori.report import mistakes, usage
from byeori.report.card_words import words
from byeori.report.facts import Facts, number, real, table
from byeori.report.listing import Listing
from byeori.report.markup import text
from byeori.report.predicted import by_label, mislabelled
from byeori.report.words import told
from byeori.text.windows import STRIDE, Cut

Said = str | Callable[[Facts], str]


@dataclass(frozen=True)
class About:
    """`trivial`, `linear`: what the baselines of these names do, behind "The … baseline"; `long`: what becomes of inputs
    longer than the model takes, behind "It"; `mistakes`: a part's wrong rows; `overview`: what the report says of its predictions
    before them; `labels`: what is counted by label in the data, "" for a task without labels."""

    use: Callable[[Facts], str]
    mistakes: Callable[[Facts, str], Listing | None]
    overview: Callable[[Facts, str], str] = lambda facts, part: ""
    trivial: Said = ""
    linear: Said = ""
    long: Said = ""
    labels: str = ""


def about(facts: Facts) -> About:
    """The entry of the run's task."""
    return OWN if table(facts.saved, "own_task") else TASKS.get(facts.task, OWN)


def baselines(facts: Facts) -> str:
    """What the baselines beside the scores are; empty where there are none."""
    entry, found = about(facts), []
    for kind, said in (("trivial", entry.trivial), ("linear", entry.linear)):
        if said and facts.baseline(kind):
            what = facts.say(_told(said, facts))
            found.append(facts.say("The {kind} baseline {what}.", kind=facts.say(kind), what=what))
    notes = facts.metrics.get("baseline_notes")
    noted = (f"{str(note)[:1].upper()}{str(note)[1:]}." for note in (notes if isinstance(notes, list) else []))
    found += map(words(facts.lang).made, noted)
    return " ".join(found)


def long_inputs(facts: Facts) -> str:
    """What becomes of inputs that are longer than the model takes; empty where nothing says how long that is."""
    said = about(facts).long
    return f"It {_told(said, facts)}." if said and facts.length else ""


def calibrated(facts: Facts) -> str:
    """What was done to the probabilities after the training; empty for nothing."""
    found = table(facts.metrics, "calibration")
    temperature, rows = real(found.get("temperature")), real(found.get("rows"))
    if temperature is None or rows is None:
        return ""
    said = (
        "Its logits are divided by a temperature of {value}, fitted on {rows} validation rows and part of its weights."
    )
    told_so = facts.say(said, value=number(temperature), rows=f"{rows:,.0f}")
    before, after = (real(table(found, when).get("ece")) for when in ("before", "after"))
    if before is None or after is None:
        return told_so
    change = "On these rows the ECE was {before} before, and is {after}."
    return f"{told_so} {facts.say(change, before=number(before), after=number(after))}"


CLEANED = {
    "html": "HTML entities become the signs they stand for", "control": "control characters are taken out",
    "zero-width": "zero-width characters are taken out", "lower": "letters become lower case",
    "inner-spaces": "runs of spaces become one", "spaces": "outer spaces are cut",
}  # fmt: skip


def cleaning(facts: Facts) -> str:
    """What is done to texts before the model reads them, and who does it; empty for nothing."""
    done = table(facts.saved, "cleaning")
    asked, function, form = done.get("clean"), table(done, "function"), done.get("normalize")
    steps = [CLEANED.get(str(one), str(one)) for one in (asked if isinstance(asked, list) else [])]
    if function:
        file = function.get("file") or facts.say("a session")
        said = "the function {name} of {file} is called"
        steps.append(told(said, name=function.get("function"), file=file))
    found = []
    if steps:
        said = "Texts were cleaned for training, and Byeori cleans those of every prediction alike ({steps}): without Byeori, do so first."
        found.append(facts.say(said, steps="; ".join(map(facts.say, steps))))
    if isinstance(form, str):
        said = "Texts are brought into the Unicode form {name} first, which the tokenizer can't: without Byeori, do so before it."
        if done.get("normalizer") == "tokenizer":
            said = "The tokenizer brings texts into the Unicode form {name}, so it reads them alike however they are composed."
        found.append(facts.say(said, name=form.upper()))
    return " ".join(found)


def _told(said: Said, facts: Facts) -> str:
    return said if isinstance(said, str) else said(facts)


def _using(use: usage.Use) -> Callable[[Facts], str]:
    return lambda facts: usage.section(facts, use)


# inputs longer than the model takes -------------------------------------------------------------------------------------
def _cut(what: str) -> Callable[[Facts], str]:
    return lambda facts: f"reads up to {facts.length} tokens; longer {what} are cut ({facts.truncation} kept)"


def _cut_unless_asked(facts: Facts) -> str:
    return f"{_cut('texts')(facts)}, or read whole, in windows that overlap, where a call gives `stride`"


def _windows(facts: Facts) -> str:
    asked, question, length = facts.own("stride"), facts.own("max_question_length"), facts.length or 0
    shared = min(STRIDE, length // 4) if asked is None else asked
    kept = Cut(length, asked, question).most_question
    return (
        f"reads a context whole, in windows of up to {length} tokens of which neighbours share up to {shared}; the question "
        f"stands in each, cut after {kept} tokens"
    )


def _sources(facts: Facts) -> str:
    return f"{_cut('sources')(facts)}. Targets were learnt up to {facts.own('max_target_length')} tokens"


def _prompts(facts: Facts) -> str:
    if facts.own("form") == "text":
        learnt = f"learnt from running text in blocks of {facts.own('block_length') or facts.length} tokens"
    else:
        learnt = f"learnt from rows of up to {facts.length} tokens; longer ones were cut ({facts.truncation} kept, of a prompt its end)"
    return f"{learnt}. A call's prompt that leaves no room to write is refused, or cut to its end (`handle_long_generation`)"


def _pieces(facts: Facts) -> str:
    whole = facts.own("long_texts") != "truncate" and not facts.own("next_sentence") and not facts.pairs
    learnt = f"learnt from texts in pieces of up to {facts.length} tokens. A call reads as many" if whole else ""
    return f"{learnt or f'reads up to {facts.length} tokens'}; longer texts are cut ({facts.truncation} kept)"


def _corrupted(facts: Facts) -> str:
    return (
        f"learnt from texts in pieces that make inputs of up to {facts.length} tokens once their runs are out. A call reads as "
        f"many; longer texts are cut ({facts.truncation} kept)"
    )


# baselines --------------------------------------------------------------------------------------------------------------
def _commonest(facts: Facts) -> str:
    named = {"regression": "the training mean", "multi_label": "the labels that most training rows have"}
    what = named.get(facts.kind or "", "the most frequent answer")
    return told("always gives {what}", what=told(what))


def _filler(facts: Facts) -> str:
    tag = facts.own("commonest")
    return "finds no entity" if tag is None else told("gives every word the commonest tag, {tag}", tag=tag)


def _lexicon(facts: Facts) -> str:
    unit = "run of characters between spaces" if facts.own("unit") == "character" else "word"
    return told(
        "is no linear model but a lexicon: each {unit} gets the tags that it had most often in training",
        unit=told(unit),
    )


def _sentence(facts: Facts) -> str:
    none = ", or no answer where that is too unlike it" if facts.own("impossible") else ""
    said = "is no linear model: it answers with the sentence of the context most like the question (TF-IDF of character n-grams){none}"
    return told(said, none=told(none))


def _own(facts: Facts, part: str) -> str:
    """Of an own task: labels where it has them, else where its predictions lie."""
    said = facts.say("predictions/{part}.jsonl has a line for each row.", part=part)
    return by_label(facts, part) if facts.kind else f"<p>{text(said)}</p>"


def _own_mistakes(facts: Facts, part: str) -> Listing | None:
    return mislabelled(facts, part) if facts.kind else None


NEAREST = (
    "is no linear model: it gives the target of the training source most like the source (TF-IDF of character n-grams)"
)
FREQUENCIES = "knows only how frequent each token is in training (add-one unigrams)"

OWN = About(usage.of_own_task, _own_mistakes, _own)
TASKS: dict[str, About] = {
    "text-classification": About(
        _using(usage.CLASSIFY), mislabelled, by_label, trivial=_commonest, labels="rows",
        linear="is a linear model on TF-IDF of character n-grams", long=_cut("inputs"),
    ),
    "token-classification": About(
        _using(usage.TAG), mistakes.entities, trivial=_filler, linear=_lexicon, long=_cut_unless_asked, labels="tokens",
    ),
    "question-answering": About(
        _using(usage.ANSWER), mistakes.answers, linear=_sentence, long=_windows,
        trivial="answers with the first sentence of the context, or never, whichever does better on training rows",
    ),
    "summarization": About(
        _using(usage.SUMMARIZE), mistakes.written, long=_sources,
        trivial="gives the beginning of the source, one sentence or three by the length of the training targets",
    ),
    "translation": About(
        _using(usage.TRANSLATE), mistakes.written, trivial="copies the source", linear=NEAREST, long=_sources,
    ),
    "text2text-generation": About(
        _using(usage.REWRITE), mistakes.written, trivial="copies the source", linear=NEAREST, long=_sources,
    ),
    "text-generation": About(
        _using(usage.WRITE), mistakes.surprises, trivial=FREQUENCIES, long=_prompts,
        linear="is no linear model but one of token trigrams (Witten–Bell)",
    ),
    "fill-mask": About(_using(usage.FILL), mistakes.masks, trivial=FREQUENCIES, long=_pieces),
    "span-corruption": About(_using(usage.FILL_GAPS), mistakes.masks, trivial=FREQUENCIES, long=_corrupted),
    "multiple-choice": About(
        _using(usage.CHOOSE), mistakes.choices, long=_cut("pairs of text and choice"),
        trivial="always takes the choice at the place that is right most often in training",
        linear="is a logistic regression on the words and character pairs that a choice shares with the text, and its length",
    ),
}  # fmt: skip
