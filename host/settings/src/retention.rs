//! `[retention]`: how long runs are kept.

use crate::table::Reader;
use palisade_model::unit::Millis;
use toml::de::DeTable;

const OF: &str = "[retention]";

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Option<Millis> {
    let table = r.section(file, "retention")?;
    r.check_keys(OF, table, &["keep"]);
    r.amount("`keep` of [retention]", table.get("keep")?, |text| Ok(Millis::parse(text)?.0)).map(Millis)
}
