"""Words that say little of what a song is about, in the languages that most requests are in.

They are compared after folding (`alike.folded`), so case, accents and endings do not matter here.
"""

FILLERS = """
a an the and or of in on at to for with by from about into as is are was be it its it's this that
these those my our your his her their me i you we he she they some any one very really quite so just
like than then there can could would should please make create generate write compose produce do
give want need let get put add use using song songs track tracks tune tunes piece music musical
style styled styles sound sounding sounds theme themed themes feel feeling feelings vibe vibes mood
moods kind type new short full version featuring feat feature features include includes including
inspired based set where which who while during over under through also more not no without touch
bit something verse chorus bridge intro outro hook describing describes describe telling tell tells
tempo bpm lyrics lyric words singing sung sings sing plus lots lot minute minutes second seconds

ein eine einen einem einer eines der die das den dem des und oder von vom im in am an auf zu zum zur
fur mit uber aus wie ist sind es sie er wir ich du mein meine meinen dein deine unser unsere
nicht kein keine ohne bitte mach mache erstelle erstellen schreib schreibe lied lieder song musik
stuck titel stil klang im sehr etwas auch nach bei durch handelt geht darum thema stimmung

un une des les le la l d de du et ou en dans sur au aux pour avec par sans ce cette ces mon ma mes
ton ta tes notre votre son sa ses est sont qui que je tu il elle nous vous fais faire ecris ecrire
cree creer chanson chansons morceau musique style ambiance propos sujet parle parlant theme tres
plus un peu comme stp svp plait

el los las uno una unos unas y o u en del al con por para sin sobre que se es son mi tu su nuestro
nuestra como haz hacer crea crear escribe escribir cancion canciones tema musica estilo acerca muy
pieza favor quiero trata donde lo

il lo gli i uno e ed o di da del dello della dei degli delle nel nella nei sul sulla sui con per tra
fra senza che si mio mia tuo tua suo sua nostro nostra canzone canzoni brano musica stile scrivi
scrivere crea creare fai fare su molto riguardo parla qualcosa

o os as um uma uns umas e ou de do da dos das no na nos nas em por pelo pela para com sem sobre que
meu minha seu sua nosso nossa faca fazer crie criar escreva escrever cancao musica estilo faixa
muito fale fala

и в во на о об обо про с со к у по для из за от до не без как что это мой моя мои твой свой наш наша
песня песню песни песен трек музыка музыку мелодия мелодию стиль стиле сделай создай напиши сочини
пожалуйста очень который которая где когда
i w we na o ze z do dla po za od bez jak co to moj moja piosenka piosenke piosenki utwor muzyka
stylu napisz stworz zrob prosze bardzo
een het van voor met over door lied liedje nummer muziek maak schrijf graag stijl niet geen mijn
bir ve ile icin hakkinda sarki sarkisi muzik tarz tarzinda yap yaz lutfen
yang dan di ke dari untuk dengan tentang lagu musik buat buatkan sebuah gaya tolong
ek ka ki ke ko mein aur par gana geet banao

गाना गीत के का की को में और पर एक बनाओ बारे संगीत
أغنية اغنية عن في من على مع و الى موسيقى بأسلوب

一首 首 一个 個 关于 關於 有关 以 为 為 主题 主題 的 地 了 是 在 和 与 與 及 有 带 帶 给 給 我 你
我们 我們
请 請 做 写 寫 作 创作 創作 生成 制作 製作 来 來 歌 歌曲 曲 曲子 曲风 曲風 音乐 音樂 乐曲 樂曲 风格
風格 感觉 感覺
氛围 氛圍 要 用 一段 讲述 講述 描写 描寫 并 並 里 裡 中 上 很 非常 充满 充滿
の を に は が で と も や な だ へ から まで より です ます した して する された ある いる という
ような 風 系
について ついて 関する テーマ 曲 歌 楽曲 音楽 ソング トラック 作って 書いて ください お願いします
一曲 感じ 雰囲気
เพลง เกี่ยวกับ และ ที่ ใน ของ แนว สไตล์ แต่ง ทำ ให้ หน่อย
노래 곡 음악 대한 관한 위한 만들어 만들어줘 만들어주세요 주세요 줘 써줘 스타일 풍 분위기 그리고
하나 느낌 있는 하는
"""
"""What nearly every request has, and what only joins words."""

STYLES = """
pop rock jazz blues folk country metal punk soul funk disco house techno trance edm dance electronic
electronica electro dubstep dnb drum bass hip hop hiphop rap trap drill grime lofi lo fi chill
chillhop chillout ambient downtempo synthwave synthpop synth retrowave vaporwave indie alternative
grunge emo hardcore hardrock classical orchestral orchestra symphonic symphony cinematic epic opera
choral choir gospel worship reggae ska dub dancehall reggaeton latin salsa bachata cumbia merengue
tango flamenco samba bossa nova bossanova mpb sertanejo fado afrobeat afrobeats amapiano kpop jpop
cpop bollywood bhangra celtic irish bluegrass americana western swing bigband ragtime rnb r b rb
neosoul motown acoustic unplugged electric ballad anthem lullaby waltz march hymn shanty musical
theme score soundtrack jingle parody new age meditation meditative world ethnic traditional modern
vintage retro classic contemporary experimental avantgarde minimalist minimal 80s 90s 70s 60s 50s
eighties nineties seventies sixties y2k oldschool old school

happy sad upbeat cheerful joyful joyous melancholy melancholic nostalgic romantic dreamy dark bright
light warm cold cool calm calming relaxing relaxed peaceful soothing gentle soft tender mellow quiet
loud energetic energizing energy powerful strong intense aggressive angry heavy hard fast slow mid
midtempo medium groovy funky catchy playful fun funny silly humorous quirky whimsical mysterious
haunting eerie spooky scary creepy tense suspenseful dramatic emotional heartfelt sentimental bitter
bittersweet hopeful uplifting inspiring inspirational motivational triumphant majestic heroic moody
atmospheric ethereal lush smooth silky sultry sexy sensual raw gritty rough rustic simple sparse
rich layered driving pulsing steady bouncy lively festive celebratory serene tranquil wistful somber
solemn gloomy lonely intimate cozy sweet tropical summery feelgood good feel beautiful pretty nice
great deep wild free

guitar guitars piano keys keyboard keyboards drums percussion percussive bassline strings string
violin violins cello viola harp flute clarinet oboe saxophone sax trumpet trombone brass horns horn
tuba organ accordion harmonica banjo mandolin ukulele fiddle sitar tabla synths synthesizer pad pads
arpeggio arpeggios beat beats rhythm rhythms rhythmic groove grooves riff riffs solo loop loops
sample samples 808 808s handclaps claps whistling whistle bells bell glockenspiel marimba xylophone
kalimba steel pan vocals vocal voice voices singer vocalist male female man men woman women boy girl
duet harmony harmonies harmonic choirs falsetto raspy breathy whispered spoken autotune instrumental
instrumentals melody melodies melodic chords background backing reverb distorted distortion arranged
arrangement production polished

frohlich frohliches traurig langsam schnell ruhig sanft leise laut kraftvoll melancholisch
romantisch lustig heiter modern rockig poppig akustisch akustik gitarre gitarren klavier schlagzeug
streicher geige floete saxophon trompete chor stimme gesang weiblich mannlich frauenstimme
mannerstimme ballade schlager volksmusik volkslied deutschpop schlaflied hymne tanzbar elektronisch
joyeux joyeuse triste doux douce lent lente rapide calme romantique melancolique entrainant
entrainante energique dansant guitare batterie violon cordes voix feminine masculine femme homme
chanteuse chanteur berceuse variete acoustique electronique chaleureux
alegre feliz triste lento lenta rapido rapida tranquilo tranquila suave romantico romantica
melancolico nostalgico energico divertido divertida animada animado bailable guitarra bateria violin
cuerdas trompeta voz femenina masculina mujer hombre balada cumbia ranchera corrido nana acustica
acustico electronica moderno
allegro allegra felice lenta veloce calmo dolce romantica malinconica energica divertente chitarra
pianoforte violino archi tromba voce femminile maschile ballata ninna nanna acustica elettronica
animada agitada calma violao teclado feminino feminina masculino forro pagode axe sertaneja acustico
веселая грустная медленная быстрая спокойная нежная лиричная романтическая энергичная танцевальная
меланхоличная колыбельная баллада рок поп джаз рэп шансон электронная акустическая гитара гитарой
пианино фортепиано скрипка барабаны голос женский мужской вокал инструментал задорная светлая
wesola smutna spokojna romantyczna gitara fortepian glos zenski meski ballada kolysanka
vrolijk droevig rustig romantisch gitaar vrouwenstem mannenstem slaapliedje
neseli huzunlu yavas hizli romantik gitar kadin erkek
ceria sedih lembut semangat romantis santai

欢快 歡快 快乐 快樂 开心 開心 悲伤 悲傷 伤感 傷感 忧伤 憂傷 抒情 温柔 溫柔 浪漫 安静 安靜 平静 平靜
宁静 寧靜 轻松 輕鬆
舒缓 舒緩 激昂 热情 熱情 动感 動感 活泼 活潑 温暖 溫暖 治愈 治癒 怀旧 懷舊 忧郁 憂鬱 励志 勵志 古风
古風 中国风 中國風
流行 摇滚 搖滚 搖滾 民谣 民謠 爵士 说唱 說唱 嘻哈 电子 電子 舞曲 蓝调 藍調 乡村 鄉村 古典 管弦 交响
交響 轻快 輕快 慢歌
慢板 快节奏 节奏 節奏 钢琴 鋼琴 吉他 木吉他 小提琴 大提琴 古筝 古箏 二胡 笛子 鼓 贝斯 萨克斯 女声
女聲 男声 男聲 童声 合唱
人声 纯音乐 純音樂 器乐 伴奏 旋律 摇篮曲 搖籃曲 说唱歌 抒情歌
明るい 楽しい 悲しい 切ない 優しい 静かな 穏やか 激しい 力強い 元気 爽やか かわいい 可愛い 懐かしい
幻想的 ロマンチック
ノスタルジック アップテンポ スロー バラード ポップ ポップス ロック ジャズ フォーク メタル パンク
ヒップホップ ラップ
エレクトロ ダンス テクノ ハウス ローファイ シティポップ アニソン アニメ 演歌 ボサノバ クラシック
オーケストラ
アコースティック ギター ピアノ ドラム ベース バイオリン ストリングス シンセ 女性 男性 ボーカル 声
コーラス 合唱 子守唄
子守歌 インスト 和風 夏らしい
สนุก เศร้า ช้า เร็ว หวาน ร็อก ป๊อป ลูกทุ่ง กีตาร์ เปียโน เสียงผู้หญิง เสียงผู้ชาย
신나는 슬픈 잔잔한 밝은 조용한 따뜻한 감성 감성적인 로맨틱 빠른 느린 발라드 팝 팝송 록 재즈 힙합 랩
댄스 트로트 포크
어쿠스틱 기타 피아노 드럼 여성 남성 보컬 목소리 자장가 경쾌한 몽환적인 동요
"""
"""Genres, moods, tempos, instruments and voices: what many different songs have in common."""
