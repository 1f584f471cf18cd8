//! What `palisade init` writes.

use palisade_model::LimitKind;
use palisade_model::limits::LimitUnit;
use std::fmt::Write as _;

/// What `palisade init` writes: every setting, as a comment.
#[must_use]
pub fn commented_file() -> String {
    let mut text = String::from(
        "# Palisade: what the operator of this folder allows and sets.\n\
         # Nothing is set as long as every line is a comment. Ceilings are shown at their defaults, the rest as examples;\n\
         # paths are relative to this file.\n\n\
         [rulesets]\n\
         # Folders in which `local/NAME/VERSION` is looked up, as FOLDER/NAME/VERSION/NAME.yaml.\n\
         # paths = [\"rulesets\"]\n\n\
         [aliases]\n\
         # Short names for components in runbooks.\n\
         # pii = \"acme:pii_finder\"\n\n\
         [environment]\n\
         # Variables that `${NAME}` in a runbook may stand for; all others are errors.\n\
         # variables = [\"DATA_FOLDER\"]\n\n\
         [ceilings]\n\
         # The most that any step may have of each limit, whatever it asks for.\n",
    );
    for kind in LimitKind::all() {
        let shown = kind.show(kind.default_ceiling());
        let value = match kind.unit() {
            LimitUnit::Count => kind.default_ceiling().to_string(),
            _ => format!("\"{shown}\""),
        };
        // Writing to a String can't fail.
        let _ = writeln!(text, "# {} = {value}", kind.key());
    }
    text.push_str(
        "\n[ceilings.run]\n\
         # The most that any run may have with all its children. Nothing is bounded here unless you say so; a runbook that says\n\
         # nothing itself may send 256 MiB to each server, and be denied 5,000 times.\n\
         # max_depth = 3\n\
         # max_duration = \"1 h\"\n\
         # max_llm_cost = \"5 USD\"\n\
         # max_concurrency = 10\n\
         # max_runs = 10000\n\
         # max_egress = \"1 GiB\"\n\
         # max_denials = 10000\n\n\
         [ceilings.host]\n\
         # The most that all processes together may have that work with this data directory: runs that go on, instances\n\
         # that compute, and the memory that attempts may take. What exceeds it waits. Nothing is shared unless you say so.\n\
         # runs = 4\n\
         # instances = 8\n\
         # memory = \"4 GiB\"\n\n\
         # Who signs the states of the audit log elsewhere (C2SP tlog-witness). See docs/audit.md.\n\
         # [[witness]]\n\
         # url = \"https://witness.example.org\"\n\
         # key = \"witness.example.org+0b03a204+BDE4rqNuaHzPXdJ4lgdNLOmqJH8E4BRZmhmmK5vUzO4g\"\n\
         # timeout = \"10s\"\n\n\
         [retention]\n\
         # How long ago a run must have ended for `palisade runs gc` to remove it, unless it is told otherwise.\n\
         # keep = \"90d\"\n\n\
         [audit]\n\
         # Files to which the signed state of the audit log is appended at the end of each run. Who has one of them can tell\n\
         # that the log was changed, even by somebody who has its key: keep them where nobody can write who writes here.\n\
         # witness = [\"/mnt/elsewhere/palisade.checkpoints\"]\n\n\
         [generated]\n\
         # The components that runbooks may use which a step makes; unless you say so, all that come with Palisade. A table\n\
         # also says what its config keeps to: `const`, `enum` or `below` of each property. See docs/grants.md.\n\
         # components = [\"personal_data\", { component = \"acme:pii_finder\", config = { mode = { enum = [\"names\", \"all\"] } } }]\n\
         # Whether they may read the folder in which Palisade runs, as the system `this folder`.\n\
         # this_folder = true\n\n\
         [approval]\n\
         # Which runbooks that a step makes wait for a person: those \"beyond-bound\", which is what their step approves\n\
         # beforehand, or \"always\" all.\n\
         # runbooks = \"beyond-bound\"\n\
         # Whose answers count, by the keys that sign them (`palisade approvals key NAME --out FILE`). Without any\n\
         # they are those of whoever can write the data directory.\n\
         # approvers = []\n\
         # Whether somebody else than who started the run is to approve what it waits for; then nothing is approved beforehand.\n\
         # four_eyes = false\n\
         # How long such a runbook waits before the answer is no; it waits for ever unless you say so.\n\
         # expires = \"7d\"\n\n\
         # Systems are data that runbooks read by name: `{type: source, system: shop}`.\n\
         # [[system]]\n\
         # name = \"shop\"\n\
         # aliases = [\"web shop\"]\n\
         # connector = \"sqlite\"\n\
         # config = { database_path = \"shop.db\" }\n\
         # labels = [\"personal\"]\n\n\
         # Grants say what a component may use beyond what it may anyway, which for those of others is nothing. One counts\n\
         # for the bytes that you accepted with `palisade grants accept`. See docs/grants.md.\n\
         # [[grant]]\n\
         # component = \"acme:reader\"\n\
         # allow = [\"fs-read=data/policies\", \"sql=crm.db\"]\n\
         # reason = \"who decided this, and why\"\n\n\
         # What is denied, nobody may use, whatever else is allowed: `*`, or one component.\n\
         # [[deny]]\n\
         # component = \"*\"\n\
         # deny = [\"fs-read=hr\"]\n\
         # reason = \"who decided this, and why\"\n\n\
         [http]\n\
         # Authorities of your own, as files of PEM certificates beside this one, that may say who a server is: for web servers\n\
         # and models. Those that the web trusts stand beside them.\n\
         # roots = [\"certs/company.pem\"]\n\n\
         # What a server knows a component by, as a token. The component never sees it: it writes `{{secret:tracker-token}}` into\n\
         # the header, and the host fills it in on the way, to these origins alone. Keys stand in the environment or in\n\
         # files of mode 0600. See docs/http.md.\n\
         # [[secret]]\n\
         # name = \"tracker-token\"\n\
         # from = { env = \"TRACKER_TOKEN\" }\n\
         # header = \"authorization\"\n\
         # origins = [\"https://api.example.org\"]\n\
         # components = [\"acme:tracker\"]\n\
         # reason = \"who decided this, and why\"\n\n\
         # Databases of PostgreSQL and MySQL or MariaDB, by the names that configs and grants (`database=crm`) know. They are\n\
         # read over TLS, in read-only transactions, by a user who may do no more than read. Passwords stand in the environment\n\
         # or in files of mode 0600. See docs/databases.md.\n\
         # [[connection]]\n\
         # name = \"crm\"\n\
         # kind = \"postgres\"\n\
         # host = \"db.example.org\"\n\
         # port = 5432\n\
         # user = \"reader\"\n\
         # database = \"crm\"\n\
         # password = { env = \"CRM_PASSWORD\" }\n\
         # tls = \"on\"\n\
         # authority = \"company-ca.pem\"\n\n\
         # Where data with a label may go. To others nothing goes that no rule lets go; what a rule keeps (`never_to`) gets\n\
         # neither there nor before a person (`approval`) nor among the results (`output`). See docs/labels.md.\n\
         # [[flow]]\n\
         # labels = [\"personal\"]\n\
         # never_to = [\"approval\"]\n\
         # reason = \"who decided this, and why\"\n\n\
         # What a component makes of data with a label no longer has it: say so only of one that takes away what the label\n\
         # stands for. It counts for the bytes that you accepted.\n\
         # [[declassify]]\n\
         # component = \"acme:anonymiser\"\n\
         # labels = [\"personal\"]\n\
         # reason = \"who decided this, and why\"\n\n\
         # Components of a namespace that has an owner are added and used only with a signature of that key, as\n\
         # `palisade component sign FILE --key KEY` makes it (the key: `palisade approvals key NAME --out KEY`).\n\
         # [[namespace]]\n\
         # name = \"acme\"\n\
         # key = \"acme+37854264+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\"\n\n\
         [llm]\n\
         # What calls of models do: take recorded answers and ask for the others (\"record\"), take recorded ones alone\n\
         # (\"replay\"), always ask (\"live\"), or none of it (\"off\"). See docs/models.md.\n\
         # mode = \"record\"\n\
         # The model that is asked where none is named.\n\
         # default = \"big\"\n\
         # How long one call may take, how often it is tried, and how often a model is told what does not fit.\n\
         # timeout = \"2m\"\n\
         # max_attempts = 3\n\
         # max_corrections = 2\n\n\
         # Models by the names that components and runbooks know. Keys stand in the environment or in files of mode 0600;\n\
         # prices are for a million tokens. `local` says that what is sent to it stays with you.\n\
         # [[model]]\n\
         # alias = \"big\"\n\
         # provider = \"openai-compatible\"\n\
         # model = \"some-model-1\"\n\
         # base_url = \"https://models.example.org/v1\"\n\
         # key = { env = \"MODELS_KEY\" }\n\
         # local = false\n\
         # price = { input = \"2.50 USD\", output = \"10 USD\", as_of = \"2026-11-01\" }\n\
         # structured = \"native\"\n\
         # max_concurrent = 4\n\n\
         # The most that may be spent on models at a level: \"organisation\", \"user\", \"day\", \"run\", \"child\" or \"step\".\n\
         # [[budget]]\n\
         # level = \"day\"\n\
         # cost = \"5 USD\"\n\
         # tokens = \"2M\"\n\
         # calls = 1000\n",
    );
    text
}
