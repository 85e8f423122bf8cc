"""Every rule between the claims of a card, by id."""

from __future__ import annotations

from compiler.checking.claims.rule import Rule
from compiler.checking.claims.rules import costs, counts, schema, scores, wording

# fmt: off
RULES: dict[str, Rule] = {
    "C01": Rule("probes of all scopes make the total", "error", counts.scopes_make_the_total),
    "C02": Rule("a document yields no more probes than it has slots", "error", counts.slots_bound_probes),
    "C03": Rule("slots that became no probe have a reason", "warning", counts.a_shortfall_has_reasons),
    "C04": Rule("no more is scored than was built; with its statuses a scope is all accounted for", "error", scores.scored_are_some_of_the_built),
    "C05": Rule("what was not scored is counted", "warning", scores.the_unscored_are_explained),
    "C06": Rule("the histogram holds every scored probe once", "error", scores.bins_make_the_scored),
    "C07": Rule("percentages of the histogram are of the scored probes", "error", scores.shares_are_of_the_scored),
    "C08": Rule("HARD and EASY are the bins on their side of the threshold", "error", scores.bands_are_sums_of_bins),
    "C09": Rule("mean and spread of the maximum are possible, given the bins", "error", scores.the_mean_fits_the_bins),
    "C10": Rule("calls are rollouts times scored probes", "error", costs.calls_are_products),
    "C11": Rule("tokens are usage, not a constant for each call", "warning", costs.tokens_are_usage),
    "C12": Rule("dollars are tokens times prices", "error", costs.dollars_are_tokens_times_prices),
    "C13": Rule("the batches have room for the calls", "error", costs.batches_hold_the_calls),
    "C14": Rule("replies that were repaired had quirks", "error", wording.repaired_replies_had_quirks),
    "C15": Rule("typical asks for no more siblings than are shown", "error", wording.typical_can_be_seen),
    "C16": Rule("the aim is EASY from latent throughout", "warning", wording.one_aim_from_latent),
    "C17": Rule("BB has one meaning", "warning", wording.one_meaning_of_bb),
    "C18": Rule("lens atoms are counted with the source model's tokenizer", "warning", wording.tokenizer_is_the_source_models),
    "C19": Rule("types in the table of columns are those declared", "error", schema.types_agree),
    "C20": Rule("every declared column is documented", "warning", schema.every_feature_is_documented),
    "C21": Rule("slots and scopes are as many as said", "error", counts.slots_are_allotted),
    "C22": Rule("what templates write is not said to be a model's", "warning", wording.templates_need_no_model),
    "C23": Rule("generator_model is not always a model where templates write", "error", wording.templates_have_no_generator),
    "C24": Rule("row has one meaning", "warning", wording.one_meaning_of_row),
    "C25": Rule("a cut context says which end is kept", "warning", wording.the_view_has_an_end),
    "C26": Rule("more rollouts are not said to denoise a maximum", "warning", wording.the_maximum_grows),
    "C27": Rule("sizes of files, splits and category agree", "error", counts.sizes_agree),
    "C28": Rule("a fact told twice is told alike", "error", counts.told_twice_told_alike),
    "C29": Rule("shares of a whole make 100%", "error", wording.shares_make_the_whole),
    "C30": Rule("prefix as a text and prefix as a side are told apart", "warning", wording.one_meaning_of_prefix),
    "C31": Rule("planned = built + rejected on every line", "error", counts.planned_is_built_or_rejected),
    "C32": Rule("parts of a count make the whole in every table", "error", counts.tables_add_up),
    "C33": Rule("no more typicality labels than suffix targets", "error", counts.labels_belong_to_suffixes),
    "C34": Rule("as many rounds as drawings, no more documents than drawn", "error", counts.rounds_are_disjoint),
    "C35": Rule("pooled figures are the weighted cells", "error", scores.pooled_figures_are_weighted),
    "C36": Rule("a percentage of n is a whole number of n", "error", scores.shares_are_of_whole_probes),
    "C37": Rule("a spread is possible for its mean", "error", scores.spread_is_possible),
    "C38": Rule("the cost covers every role that asks a model", "warning", costs.every_paid_role_is_priced),
    "C39": Rule("the batches have room for the tokens", "warning", costs.batches_hold_the_tokens),
    "C40": Rule("as many splits as groups that have one", "warning", wording.one_split_for_a_group),
    "C41": Rule("two means of the maximum say of what they are", "warning", wording.one_mean_of_the_maximum),
    "C42": Rule("every documented column is declared", "error", schema.every_documented_column_exists),
}
# fmt: on
