//! Members of an upstream, their selection, connections and pools.
