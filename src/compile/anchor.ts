/**
 * The second table. When the last nat chain and the last rule that uses connection tracking go, the kernel takes its
 * hooks away, and the next packets of forwarded connections reach this host untranslated: they are reset. This table
 * keeps the hooks in place while somebody has flushed ours. It is owned by the agent's socket (`flags owner`, kernel
 * 5.12): `nft flush ruleset` of others passes it by, and it goes when the agent does. The rule stands in a chain that no
 * packet walks: that it is loaded is enough for connection tracking to stay (nft_ct_get_init in net/netfilter/nft_ct.c).
 */
export const anchorText = `add table inet drawbridge_anchor { flags owner; }
add chain inet drawbridge_anchor prerouting { type nat hook prerouting priority 300; policy accept; }
add chain inet drawbridge_anchor postrouting { type nat hook postrouting priority 300; policy accept; }
add chain inet drawbridge_anchor tracking
add rule inet drawbridge_anchor tracking ct state established accept
`
