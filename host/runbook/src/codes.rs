//! Every diagnostic code with its text. Codes are stable: one that is no longer used is never given to something else.
//! Each has an example in `docs/diagnostics.md`, which a test runs.

use crate::diagnostic::Severity;
use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! codes {
    ($($number:literal $name:ident $severity:ident $text:literal;)*) => {
        /// A kind of diagnostic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $(#[doc = $text] $name = $number,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What this kind is, in one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// How bad it is unless a diagnostic says otherwise.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

codes! {
    101 TooLarge Error "The file has more bytes than are read.";
    102 NotUtf8 Error "The file is not UTF-8.";
    103 Syntax Error "The file is not YAML.";
    104 TooDeep Error "The YAML nests too deep.";
    105 TooManyNodes Error "The YAML has too many values, or its aliases make too many of them.";
    106 DuplicateKey Error "A key stands twice in one mapping.";
    107 Tag Error "A YAML tag is not supported.";
    108 SeveralDocuments Error "The file has more than one YAML document.";
    109 Alias Error "A YAML alias names a value that it stands in.";
    110 KeyNotText Error "A key is not a text.";
    111 MergeKey Error "A merge key does not name a mapping.";
    112 Number Error "A number can't be represented.";
    113 DateAsText Note "A date is read as text.";
    114 HiddenCharacters Warning "A text holds characters that can't be seen.";
    115 EmptyDocument Error "The file holds no value.";

    201 WrongType Error "A value has the wrong type.";
    202 MissingKey Error "A required key is missing.";
    203 UnknownKey Error "A key is not known. A warning where WCF ignores it.";
    // 204 said that the `execution` form is not available; it is now.
    205 TwoForms Error "The runbook has both `artifacts` and `execution`.";
    206 BadName Error "A name has characters that names can't have.";
    207 NamesCollide Error "Two names are equal, or look alike.";
    208 ProductionMethod Error "An artifact has not exactly one of `source`, `inputs` and `reuse`.";
    209 UndefinedVariable Error "A `${VARIABLE}` is not defined.";
    210 BadComponentName Error "A text is not the name of a component.";
    211 BadSchemaName Error "A text is not the name of a schema.";
    212 BadValue Error "A value is not allowed there.";
    213 DefaultNotOptional Error "An input has a `default` but is not optional.";
    214 ChildPath Error "The path of a child runbook is absolute or climbs with `..`.";
    // 215 said that something is known but not available; 302 says so of components.
    216 NoEffect Warning "A setting has no effect.";
    217 BadLimit Error "A limit is not known there.";
    218 BadCapability Error "A text is not a capability.";
    219 Combination Error "Two keys exclude each other.";
    220 NoArtifacts Warning "The runbook has nothing to do.";
    221 BadReference Error "Double braces hold no reference.";
    222 BracesAreText Warning "Double braces within other text are just text.";
    223 BadCondition Error "A condition is not CEL.";
    224 AmbiguousWord Error "A plain word is a text to some readers of YAML and a truth value to others.";
    225 StepType Error "A step has a type that is not known.";
    226 KeyOfOtherType Error "A key belongs to steps of another type.";
    227 BadAmount Error "An amount can't be read.";
    228 TextTooLong Error "A text is longer than allowed.";

    301 UnknownComponent Error "No component has that name.";
    302 WcfComponent Error "The component is one of WCF's that is not in this build.";
    303 WrongRole Error "A component that reads artifacts is used as a source, or one that reads none as a process.";
    304 UnknownReference Error "No artifact has that name.";
    305 Cycle Error "Artifacts depend on each other in a circle.";
    306 SchemaMismatch Error "An artifact has a schema that its reader does not accept.";
    307 InputMissing Error "A component gets no artifact for an input that it needs.";
    308 TooManyInputs Error "A component gets more artifacts than its inputs take.";
    309 OutputSchema Error "`output_schema` says another schema than the component writes.";
    310 BadConfig Error "A property of a component is wrong.";
    311 IgnoredKey Warning "A property is not known, and WCF ignores it there.";
    312 ConfigSchema Error "The config schema of a component can't be used.";
    313 ManyWithoutProcess Error "Several artifacts are passed on without a process.";
    314 BadPath Error "A path in a component's config can't be used.";
    315 AboveCeiling Warning "A limit is above the operator's ceiling.";
    316 NoOutput Warning "No artifact is an output.";
    317 MixedSchemas Error "One input gets artifacts of different schemas.";
    318 UnknownSchema Error "No schema has that name.";
    319 LaterReference Error "A step refers to something that comes later.";
    320 UnknownSystem Error "No system has that name.";
    321 UnknownPort Error "A component has no port of that name.";
    322 TwoMakers Error "Two things have one name.";
    323 NotInDocument Error "A path leads to nothing in the document of an artifact.";
    324 ReferenceType Error "A value that a reference leads to has the wrong type.";
    325 ConditionType Error "A condition can't have an answer over these documents.";
    326 Unbounded Error "A step has no bound.";
    327 AboveRunCeiling Error "The run as a whole could pass one of its ceilings.";
    328 NeverRuns Warning "A step never runs.";
    329 NeverUsed Warning "What a step makes is neither read nor an output.";
    330 ChildNotFound Error "A child runbook can't be found or read.";
    331 ChildInput Error "An input of a child runbook is missing, unknown, or gets the wrong artifact.";
    332 ChildOutput Error "A child runbook has no such output.";
    333 ChildCycle Error "A runbook is its own descendant, or children nest too deep.";
    // 334 said that a step can be planned, but not run yet; all that can be planned runs now.
    335 MustBeWritten Error "A value that the plan must know is a reference.";
    336 LoopShape Error "What a loop makes can't be its next input.";
    337 NotAllowed Error "A child uses a component that its parent or the operator does not allow.";
    338 NotForGenerated Error "A runbook that is an artifact has what only one that a person wrote may have.";
    339 NotAccepted Error "The operator has not accepted a component.";
    340 LabelFlow Error "Labelled data could get to where it may not go.";
    341 NoPrice Error "It is not known what a model costs that a step may ask.";
    342 BeyondBound Error "A value is not what the list of components allows that names the component.";
    343 NoModel Error "A component needs a language model, and there is none.";
    344 NoConnection Error "A config leads to no connection of the operator's.";
    345 TwoWriters Warning "Two steps write to the same folder.";

    401 BadRulesetName Error "A text is not the name of a ruleset.";
    402 RulesetProvider Error "The provider of a ruleset is not known.";
    403 UnknownRuleset Error "No ruleset has that name.";
    404 UnknownRulesetVersion Error "No ruleset has that name in that version.";
    405 RulesetType Error "A ruleset has another type than the component wants.";
    406 RulesetContent Error "Something in a ruleset does not fit its schema.";
    407 NotAMember Error "A value of a rule is missing from the ruleset's list of such values.";
    408 RulesetIdentity Error "A ruleset's own name or version is not that under which it was found.";
    409 RulesetSchema Error "A component wants a type of ruleset that has no schema.";
    410 RulesetUnusable Error "A ruleset has errors of its own.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PAL{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
