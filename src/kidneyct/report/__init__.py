"""Drawing what the others computed: pictures and the page of a run. Computes nothing itself."""
