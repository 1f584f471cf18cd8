//! Words by which policies in English, German and French say things. Lower case; each entry is a beginning of a word or of
//! several (`=` in front: a whole word, `!`: a phrase that does not count, ` & ` between: both have to be there), what it
//! stands for comes first.

mod clauses;
mod data;
mod denial;
mod products;
mod systems;

pub(crate) use clauses::{CLAUSES, COMPOUNDS, KNOWS};
pub(crate) use data::{DATA, SPECIAL};
pub(crate) use denial::{
    ANSWERS, COLLECTS, CONTACT, DEFINES, DENIALS, LAW_SAYS, LAWS, LISTED_DENIALS, NOT, OURS, RENOUNCES, RIGHTS, SCOPES,
    SENSITIVE, WITHIN_BOUNDS, YOURS,
};
pub(crate) use products::{HOSTERS, PRODUCTS, SOCIAL, WORDS};
pub(crate) use systems::{
    ADJECTIVES, ADJECTIVES_FRENCH, ALONE_FRENCH, ALONE_GERMAN, ALONE_GERMAN_THERE, ARTICLES, AUTOMATIC, BEHIND, BOOKS,
    BY_WAY_OF, CALLED, COMPANIES, COMPANY_FORMS, DOES, DOING, DOING_FOR_OTHERS, ENDINGS, ENGLISH, FOR_US, GERMAN,
    GERMAN_ENDINGS, GERMAN_NOUNS, GOES, HAS, HEADS, HEADS_FRENCH, HEADS_FRENCH_THERE, HEADS_THERE, HOLDING, HOLDS,
    INTO, INTRODUCED, IS, KEEPS, KEPT, MEASURES, NAMED, NAMED_GERMAN, NO_ENDINGS, NO_NAMES, NO_SYSTEMS_GERMAN, NONE,
    ON_PAPER, OWN_SERVERS, OWNED, PAPER_FILES, PAPERS, PLACED, PLACES, PROVIDER_COLUMNS, PROVIDERS, PROVIDERS_FRENCH,
    RECIPIENT_COLUMNS, SELLS, SMALL_WORDS, SUFFIXES_GERMAN, SUFFIXES_GERMAN_THERE, SYSTEM_COLUMNS, SYSTEMS, THROUGH,
    UNDER, USED, WHERE, WHICH,
};

/// What is looked for, each with the words that say so.
pub(crate) type Words = &'static [(&'static str, &'static [&'static str])];

/// What data are used for.
pub(crate) const PURPOSES: Words = &[
    (
        "order fulfilment",
        &[
            "fulfil",
            "process your order",
            "deliver",
            "shipping",
            "bestellung abzuwickeln",
            "abwicklung",
            "versand",
            "lieferung",
            "livraison",
            "traiter votre commande",
        ],
    ),
    (
        "customer support",
        &[
            "customer support",
            "customer service",
            "support request",
            "kundenservice",
            "kundendienst",
            "kundenbetreuung",
            "service client",
            "assistance",
        ],
    ),
    ("marketing", &["marketing", "newsletter", "advertis", "promotional", "werbung", "publicit", "prospection"]),
    (
        "analytics",
        &[
            "analytics",
            "statistic",
            "measure how",
            "improve our",
            "reichweitenmessung",
            "analyse",
            "statistik",
            "statistique",
            "mesure d'audience",
        ],
    ),
    ("personalisation", &["personali", "recommendation", "empfehlung", "recommandation"]),
    (
        "security",
        &[
            "security of",
            "fraud",
            "prevent abuse",
            "sicherheit",
            "betrug",
            "missbrauch",
            "sécurité de",
            "sécurité des",
            "fraude",
        ],
    ),
    (
        "legal obligation",
        &[
            "legal obligation",
            "comply with",
            "tax law",
            "accounting",
            "gesetzlich",
            "rechtliche verpflichtung",
            "buchhaltung",
            "obligation légale",
            "comptab",
        ],
    ),
    (
        "contract",
        &[
            "perform the contract",
            "performance of a contract",
            "contract with you",
            "vertragserfüllung",
            "durchführung des vertrags",
            "exécution du contrat",
        ],
    ),
    (
        "payment processing",
        &[
            "process payment",
            "payment processing",
            "billing",
            "invoice",
            "zahlungsabwicklung",
            "abrechnung",
            "rechnungsstellung",
            "facturation",
        ],
    ),
    (
        "medical treatment",
        &[
            "treatment",
            "!treatment of your data",
            "!treatment of personal data",
            "diagnosis",
            "patient care",
            "behandlung",
            "therapie",
            "soins",
            "traitement médical",
        ],
    ),
    (
        "employment",
        &[
            "employment relationship",
            "payroll",
            "recruit",
            "personnel administration",
            "beschäftigungsverhältnis",
            "personalverwaltung",
            "lohnabrechnung",
            "recrutement",
            "gestion du personnel",
            "paie",
        ],
    ),
];

/// Whose data they are.
pub(crate) const SUBJECTS: Words = &[
    ("customers", &["customer", "client", "shopper", "buyer", "kunde", "käufer", "acheteur"]),
    ("visitors", &["visitor", "website user", "besucher", "visiteur"]),
    ("users", &["=user", "=users", "subscriber", "account holder", "nutzer", "benutzer", "utilisateur", "abonné"]),
    (
        "employees",
        &["employee", "staff", "worker", "mitarbeiter", "beschäftigte", "arbeitnehmer", "salarié", "employé"],
    ),
    ("applicants", &["applicant", "candidate", "bewerber", "candidat"]),
    ("patients", &["patient"]),
    ("children", &["child", "=minors", "under 16", "kinder", "minderjährig", "enfant", "mineur"]),
    ("suppliers", &["supplier", "vendor contact", "lieferant", "fournisseur"]),
];

/// Words that say that data go to others.
pub(crate) const SHARES: &[&str] = &[
    "share",
    "disclose",
    "pass on",
    "transfer",
    "processor",
    "service provider",
    "third part",
    "provided by",
    "weitergabe",
    "weitergeben",
    "übermittel",
    "auftragsverarbeiter",
    "dienstleister",
    "dritte",
    "partage",
    "transmi",
    "communiqu",
    "sous-traitant",
    "prestataire",
    "tiers",
];

/// Words that say how long data are kept.
pub(crate) const RETENTION: &[&str] = &[
    "retain",
    "retention",
    "keep",
    "kept",
    "store",
    "delet",
    "eras",
    "aufbewahr",
    "gespeichert",
    "speicher",
    "gelöscht",
    "lösch",
    "conserv",
    "supprim",
    "effac",
    "durée",
];

/// Spans of time, by the beginnings of their names.
pub(crate) const UNITS: Words = &[
    ("day", &["day", "tag", "jour"]),
    ("week", &["week", "woche", "semaine"]),
    ("month", &["month", "monat", "mois"]),
    ("year", &["year", "jahr", "=an", "=ans", "année"]),
];

/// Numbers as words.
pub(crate) const NUMBERS: &[(&str, u32)] = &[
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("eleven", 11),
    ("fourteen", 14),
    ("fifteen", 15),
    ("eighteen", 18),
    ("twenty", 20),
    ("sixty", 60),
    ("ten", 10),
    ("twelve", 12),
    ("thirty", 30),
    ("ninety", 90),
    ("ein", 1),
    ("einem", 1),
    ("zwei", 2),
    ("drei", 3),
    ("vier", 4),
    ("fünf", 5),
    ("sechs", 6),
    ("sieben", 7),
    ("acht", 8),
    ("neun", 9),
    ("zehn", 10),
    ("elf", 11),
    ("vierzehn", 14),
    ("fünfzehn", 15),
    ("zwanzig", 20),
    ("dreißig", 30),
    ("zwölf", 12),
    ("un", 1),
    ("deux", 2),
    ("trois", 3),
    ("quatre", 4),
    ("cinq", 5),
    ("sept", 7),
    ("huit", 8),
    ("neuf", 9),
    ("dix", 10),
    ("quinze", 15),
    ("vingt", 20),
    ("douze", 12),
    ("trente", 30),
];

/// Where data go that leave the European Economic Area, and what is said of it.
pub(crate) const TRANSFERS: &[(&str, &[&str])] = &[
    ("United States", &["united states", "=usa", "u.s.", "vereinigte staaten", "états-unis"]),
    ("United Kingdom", &["united kingdom", "=uk", "vereinigtes königreich", "royaume-uni"]),
    ("India", &["=india", "indien", "=inde"]),
    ("China", &["=china", "=chine"]),
    ("Switzerland", &["switzerland", "schweiz", "suisse"]),
    (
        "third countries",
        &[
            "third countr",
            "outside the eu",
            "outside the european",
            "outside of the eu",
            "drittland",
            "drittländer",
            "drittstaat",
            "außerhalb der eu",
            "pays tiers",
            "hors de l'union",
            "hors de l'ue",
        ],
    ),
];

/// Words that say that data leave.
pub(crate) const LEAVES: &[&str] = &[
    "transfer",
    "transmit",
    "outside",
    "third countr",
    "servers in",
    "processed in",
    "stored in",
    "located in",
    "übermittel",
    "übertrag",
    "drittland",
    "drittländer",
    "drittstaat",
    "server in",
    "transf",
    "hors de",
    "pays tiers",
    "situé",
];

/// Grounds on which data are processed.
pub(crate) const BASES: &[(&str, &[&str])] = &[
    (
        "consent",
        &[
            "consent",
            "einwilligung",
            "!explicit consent",
            "!ausdrückliche einwilligung",
            "!ausdrücklicher einwilligung",
            "!ausdrücklichen einwilligung",
            "!consentement explicite",
        ],
    ),
    (
        "contract",
        &[
            "performance of a contract",
            "performance of the contract",
            "perform the contract",
            "perform our contract",
            "contract with you",
            "vertragserfüllung",
            "erfüllung des vertrags",
            "erfüllung eines vertrags",
            "durchführung des vertrags",
            "exécution du contrat",
            "exécution d'un contrat",
        ],
    ),
    (
        "legal obligation",
        &[
            "legal obligation",
            "rechtliche verpflichtung",
            "rechtlichen verpflichtung",
            "gesetzliche pflicht",
            "gesetzlichen pflicht",
            "obligation légale",
            "obligations légales",
        ],
    ),
    (
        "legitimate interests",
        &[
            "legitimate interest",
            "berechtigte interesse",
            "berechtigtes interesse",
            "berechtigten interesse",
            "intérêt légitime",
            "intérêts légitimes",
        ],
    ),
    ("vital interests", &["vital interest", "lebenswichtige", "intérêts vitaux"]),
    ("public interest", &["public interest", "öffentliche interesse", "öffentlichen interesse", "intérêt public"]),
];

/// Grounds on which special categories may be processed.
pub(crate) const SPECIAL_BASES: &[(&str, &[&str])] = &[
    (
        "explicit consent",
        &[
            "explicit consent",
            "ausdrückliche einwilligung",
            "ausdrücklicher einwilligung",
            "ausdrücklichen einwilligung",
            "consentement explicite",
        ],
    ),
    (
        "Article 9(2)",
        &[
            "article 9(2)",
            "article 9 (2)",
            "art. 9(2)",
            "art. 9 (2)",
            "art. 9 abs. 2",
            "artikel 9 absatz 2",
            "artikel 9 abs. 2",
            "article 9.2",
            "article 9, paragraphe 2",
            "article 9 paragraphe 2",
            "article 9-2",
        ],
    ),
    (
        "employment and social security law",
        &["employment, social security and social protection", "employment and social security law", "§ 26 abs. 3"],
    ),
    (
        "health care",
        &[
            "provision of health care",
            "provision of health or social care",
            "gesundheitsvorsorge",
            "medizinische diagnostik",
            "medizinischen diagnostik",
            "médecine préventive",
            "diagnostics médicaux",
        ],
    ),
];

/// Heads of columns that hold to which country data go.
pub(crate) const COUNTRY_COLUMNS: &[&str] =
    &["country", "location", "=land", "standort", "=sitz", "pays", "localisation"];
