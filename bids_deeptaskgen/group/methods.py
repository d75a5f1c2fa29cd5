"""Text on the group level for a methods section."""

from collections.abc import Sequence

from bids_deeptaskgen.report.group_content import GroupSetContent

_MAPS = (
    "Predicted maps were averaged over the runs of a session, then over the sessions of a participant, then over "
    "participants; the standard deviation over participants and the number of participants were computed at "
    "each voxel. Maps of different tasks, acquisitions, models or settings were not averaged together. "
    "Predicted maps were not tested against zero, because predictions have no valid null hypothesis: a network "
    "that ignores its input predicts the same map for all participants (Serin et al., 2025)."
)
_QC_FC = (
    "The relation of the maps and of functional connectivity to motion (QC-FC) was assessed by Pearson "
    "correlations with mean framewise displacement over participants (Satterthwaite et al., 2012; Ciric et al., "
    "2017)."
)
_SIMILARITY = (
    "Similarity of participants is the Pearson correlation over voxels of their maps, averaged over contrasts, "
    "for maps and for maps minus the mean over participants."
)
_IDENTIFICATION = (
    "Participants were identified between {pairs}: rate and mean rank of the own map (Finn et al., 2015), and the "
    "difference of the mean correlation with the own map and with the maps of others (Amico and Goñi, 2018)."
)
_ICC = (
    "Reliability between sessions of the mean of each map in each ROI is ICC(3,1) with its 95% interval (Shrout "
    "and Fleiss, 1979), of participants with all sessions."
)
_DESIGN = (
    "Differences between participants were tested voxel by voxel with ordinary least squares (nilearn's "
    "SecondLevelModel) in voxels with values of all participants: {formula}. {facts} P values are two-sided; "
    "the false discovery rate was controlled within each map (Benjamini and Hochberg, 1995)."
)
_PERMUTATIONS = (
    "P values were also corrected over the voxels by permutation, from the distribution of the maximum (nilearn's "
    "non_parametric_inference; Freedman and Lane, 1983; Winkler et al., 2014)."
)
_TFCE = "Threshold-free cluster enhancement was used, too (Smith and Nichols, 2009)."
_REFERENCES = {
    _MAPS: "Serin et al. (2025). Communications Biology 8:1572. doi:10.1038/s42003-025-09158-6",
    _QC_FC: "Satterthwaite et al. (2012). NeuroImage 60:623-632. doi:10.1016/j.neuroimage.2011.12.063\n"
    "- Ciric et al. (2017). NeuroImage 154:174-187. doi:10.1016/j.neuroimage.2017.03.020",
    _IDENTIFICATION: "Finn et al. (2015). Nature Neuroscience 18:1664-1671. doi:10.1038/nn.4135\n"
    "- Amico and Goñi (2018). Scientific Reports 8:8254. doi:10.1038/s41598-018-25089-1",
    _ICC: "Shrout and Fleiss (1979). Psychological Bulletin 86:420-428. doi:10.1037/0033-2909.86.2.420",
    _DESIGN: "Benjamini and Hochberg (1995). Journal of the Royal Statistical Society B 57:289-300. "
    "doi:10.1111/j.2517-6161.1995.tb02031.x",
    _PERMUTATIONS: "Freedman and Lane (1983). Journal of Business & Economic Statistics 1:292-298. "
    "doi:10.1080/07350015.1983.10509354\n"
    "- Winkler et al. (2014). NeuroImage 92:381-397. doi:10.1016/j.neuroimage.2014.01.060",
    _TFCE: "Smith and Nichols (2009). NeuroImage 44:83-98. doi:10.1016/j.neuroimage.2008.03.061",
}


def methods_text(sets: Sequence[GroupSetContent], *, has_permutations: bool, has_tfce: bool) -> str:
    """Write the methods text of a group, with references.

    Parameters
    ----------
    sets : sequence of GroupSetContent
    has_permutations, has_tfce : bool
        Whether the tests have permutations, and threshold-free cluster enhancement.

    Returns
    -------
    str
        Markdown. Only what was computed for any set is in it.
    """
    paragraphs = {_MAPS: _MAPS}
    if any(item.qc_fc and item.qc_fc.rows for item in sets):
        paragraphs[_QC_FC] = _QC_FC
    if any(item.similarity for item in sets):
        paragraphs[_SIMILARITY] = _SIMILARITY
    pairs = dict.fromkeys(row.pair for item in sets for row in item.identification)
    if pairs:
        paragraphs[_IDENTIFICATION] = _IDENTIFICATION.format(pairs="; ".join(pairs))
    if any(item.icc for item in sets):
        paragraphs[_ICC] = _ICC
    designs = [item.design for item in sets if item.design]
    if designs:
        facts = "; ".join(f"{name}: {value}" for name, value in designs[0].facts.items())
        paragraphs[_DESIGN] = _DESIGN.format(formula=designs[0].formula, facts=f"{facts}.")
        if has_permutations:
            paragraphs[_PERMUTATIONS] = _PERMUTATIONS
        if has_tfce:
            paragraphs[_TFCE] = _TFCE
    references = [f"- {_REFERENCES[key]}" for key in paragraphs if key in _REFERENCES]
    return "\n\n".join([*paragraphs.values(), "### References", "\n".join(references)]) + "\n"
